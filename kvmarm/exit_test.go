package kvmarm

import "testing"

func TestFailureTellsWhatKVMSays(t *testing.T) {
	for _, c := range []struct {
		exit Exit
		want string
	}{
		{ExitInternalError, "KVM cannot go on: internal error, suberror 4"},
		{ExitFailEntry, "KVM cannot go on: failed entry, hardware reason 0x1, on CPU 5 of the host"},
		{ExitShutdown, "KVM cannot go on: shutdown"},
		{99, "KVM cannot go on: exit 99"},
	} {
		v := &VCPU{run: &runPage{exitReason: uint32(c.exit)}, failEntry: &exitFailEntry{reason: 1, cpu: 5}, internal: &exitInternal{suberror: 4}}
		if got := v.Failure().Error(); got != c.want {
			t.Errorf("%d: %q, want %q", c.exit, got, c.want)
		}
	}
}
