package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hfvmm/hfvmm/kvmarm"
)

func TestTheDoctorSaysWhatIsMissingAndWhatMendsIt(t *testing.T) {
	good := []found{
		{kvmFeature{name: "SMCCC filter", needed: true}, "yes", nil},
		{kvmFeature{name: "IPA size"}, "48 bits", nil},
	}
	old := []found{
		{kvmFeature{name: "SMCCC filter", needed: true, remedy: "run Linux 6.4 or later"}, "", errMissing},
		{kvmFeature{name: "breakpoints", remedy: "run on another host"}, "", errMissing},
	}
	spare := []found{{kvmFeature{name: "breakpoints", remedy: "run on another host"}, "", errMissing}}
	qemu := []remark{{"QEMU", "/bin/qemu", nil}}
	noQEMU := []remark{{"QEMU", "", errors.New("not here, install it")}}
	denied := fmt.Errorf("%w: no permission: join the group kvm", kvmarm.ErrUnavailable)
	tests := []struct {
		name string
		diagnosis
		want string
		code int
	}{
		{"all there", diagnosis{platform: "linux/arm64", kvm: good, lab: qemu}, `
KVM (linux/arm64)
  ok  /dev/kvm      yes
  ok  SMCCC filter  yes
  ok  IPA size      48 bits
Emulated host
  ok  QEMU  /bin/qemu
Others
hfvmm run uses KVM here.
`, 0},
		{"KVM without what is not needed", diagnosis{platform: "linux/arm64", kvm: spare, lab: noQEMU}, `
KVM (linux/arm64)
  ok  /dev/kvm     yes
  --  breakpoints  missing: run on another host
Emulated host
  --  QEMU  not here, install it
Others
hfvmm run uses KVM here.
`, 0},
		{"old kernel", diagnosis{platform: "linux/arm64", kvm: old, lab: qemu}, `
KVM (linux/arm64)
  ok  /dev/kvm      yes
  --  SMCCC filter  missing: run Linux 6.4 or later
  --  breakpoints   missing: run on another host
Emulated host
  ok  QEMU  /bin/qemu
Others
hfvmm run emulates a host here, which is slow; mend KVM as said above to make it fast.
`, 0},
		{"other processor", diagnosis{platform: "linux/amd64", noKVM: kvmarm.ErrUnsupported, lab: qemu,
			extras: []remark{{"dtc", "", errors.New("missing: install it")}}}, `
KVM (linux/amd64)
  --  /dev/kvm  ` + kvmarm.ErrUnsupported.Error() + `
Emulated host
  ok  QEMU  /bin/qemu
Others
  --  dtc  missing: install it
hfvmm run emulates a host here, which is slow.
`, 0},
		{"nothing", diagnosis{platform: "linux/arm64", noKVM: denied, lab: noQEMU}, `
KVM (linux/arm64)
  --  /dev/kvm  no usable KVM: no permission: join the group kvm
Emulated host
  --  QEMU  not here, install it
Others
`, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			err := report(&b, tt.diagnosis)
			if code := codeOf(err); code != tt.code {
				t.Errorf("exit code %d (%v), want %d", code, err, tt.code)
			}
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), b.String()); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheDoctorExaminesThisHost(t *testing.T) {
	r := runApp(t, &fakeHost{}, "doctor")
	if r.code != 0 && r.code != exitNoKVM {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	for _, s := range []string{"/dev/kvm", "QEMU", "lab kernel"} {
		if !strings.Contains(r.stdout, s) {
			t.Errorf("the report lacks %s:\n%s", s, r.stdout)
		}
	}
}
