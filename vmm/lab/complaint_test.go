package lab

import (
	"slices"
	"strings"
	"testing"
)

func TestComplaintsOfTheLabsKernelAreFound(t *testing.T) {
	quiet := []string{"6,1,10,-;Booting Linux", "4,2,11,-;cacheinfo: Unable to detect cache hierarchy", "6,3,12,-;kvm [1]: VHE mode\n SUBSYSTEM=x"}
	if got := complaints(quiet); got != nil {
		t.Errorf("found %q in a healthy log", got)
	}
	warning := append(slices.Clone(quiet), "4,4,13,-;------------[ cut here ]------------", "4,5,13,-;WARNING: CPU: 0 at kvm_vcpu_ioctl\n SUBSYSTEM=x", "6,6,14,-;after")
	want := []string{"------------[ cut here ]------------", "WARNING: CPU: 0 at kvm_vcpu_ioctl", "after"}
	if got := complaints(warning); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	if got := complaints(slices.Repeat([]string{"3,1,1,-;BUG: " + strings.Repeat("x", 9)}, 2*maxComplaint)); len(got) != maxComplaint {
		t.Errorf("%d lines, want at most %d", len(got), maxComplaint)
	}
}
