package kvmarm

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
)

func TestErrorOfOpenSaysWhyAndHowToMendIt(t *testing.T) {
	for _, c := range []struct {
		errno syscall.Errno
		want  string
	}{
		{syscall.ENOENT, "no usable KVM: /dev/kvm does not exist: the kernel has no KVM or was not booted at EL2, " +
			"and `dmesg | grep -i kvm` says which"},
		{syscall.EACCES, "no usable KVM: no permission to open /dev/kvm (mode 0660, group kvm): " +
			"run `sudo usermod -aG kvm $USER` and log in again"},
		{syscall.ENODEV, "no usable KVM: /dev/kvm exists but no driver answers it (" + syscall.ENODEV.Error() +
			"): the processor has no EL2 for this kernel, and `dmesg | grep -i kvm` says why"},
		{syscall.EMFILE, "no usable KVM: cannot open /dev/kvm: " + syscall.EMFILE.Error()},
	} {
		err := openError("/dev/kvm", "mode 0660, group kvm", c.errno)
		if err.Error() != c.want {
			t.Errorf("%v: error is %q, want %q", c.errno, err, c.want)
		}
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("%v: the error is no ErrUnavailable", c.errno)
		}
	}
}

func TestUnsupportedPlatformIsAlsoUnavailable(t *testing.T) {
	if !errors.Is(ErrUnsupported, ErrUnavailable) {
		t.Error("ErrUnsupported does not wrap ErrUnavailable")
	}
}

func TestErrorNamesTheCallAndUnwrapsToItsErrno(t *testing.T) {
	err := error(&Error{Call: "KVM_CREATE_VCPU", What: "vCPU 3", Errno: syscall.EBUSY})
	if want := "KVM_CREATE_VCPU (vCPU 3): " + syscall.EBUSY.Error(); err.Error() != want {
		t.Errorf("error is %q, want %q", err, want)
	}
	if !errors.Is(err, syscall.EBUSY) {
		t.Error("the error is not EBUSY")
	}
}

func TestExitsHaveNames(t *testing.T) {
	for e, want := range map[Exit]string{ExitMMIO: "MMIO", 77: "exit 77"} {
		if got := e.String(); got != want {
			t.Errorf("exit is %q, want %q", got, want)
		}
	}
}

// statsFile is a vCPU's statistics of two values in KVM's format: names of 16 bytes, descriptors at
// 32, data at 96.
const statsFile = "\x00\x00\x00\x00\x10\x00\x00\x00\x02\x00\x00\x00\x18\x00\x00\x00\x20\x00\x00\x00\x60\x00\x00\x00" +
	"id\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00" + "exits\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00" + "blocking\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x07\x00\x00\x00\x00\x00\x00\x00" + "\x01\x00\x00\x00\x00\x00\x00\x00"

func TestStatisticsAreFoundByName(t *testing.T) {
	got, err := parseStats(strings.NewReader(statsFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got["exits"] != 96 || got["blocking"] != 104 {
		t.Errorf("statistics are at %v", got)
	}
}

func TestTruncatedStatisticsAreAnError(t *testing.T) {
	for _, n := range []int{0, 23, 40, 60, 80} {
		if _, err := parseStats(strings.NewReader(statsFile[:n])); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: error is %v", n, err)
		}
	}
}
