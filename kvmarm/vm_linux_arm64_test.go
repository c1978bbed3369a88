package kvmarm

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCounterOffsetZeroShowsTheCounterOfTheHost(t *testing.T) {
	g := newGuest(t,
		0xd5033fdf, // isb
		0xd53be041, // mrs x1, cntvct_el0
		insnHVC,
	)
	g.check(g.vm.SetCounterOffset(0))
	before := Counter()
	g.runToCall(callBase + 1)
	after := Counter()
	if got := g.get(RegX(1)); got < before || got > after {
		t.Errorf("the guest reads %d between the host's %d and %d", got, before, after)
	}
	if f := CounterFrequency(); f < 1e6 || f > 2e9 {
		t.Errorf("the counter has %d Hz", f)
	}
}

func TestWideIPAIsAnErrorThatNamesItsBits(t *testing.T) {
	_, err := openKVM(t).CreateVM(99)
	if !errors.Is(err, unix.EINVAL) || err.Error() != "KVM_CREATE_VM (99-bit IPA): invalid argument" {
		t.Errorf("error is %v", err)
	}
}

func TestVMTakesTheGreatestIPASizeOfTheHost(t *testing.T) {
	sys := openKVM(t)
	bits, err := sys.Capability(CapARMVMIPASize)
	if err != nil {
		t.Fatal(err)
	}
	vm, err := sys.CreateVM(bits)
	if err != nil {
		t.Fatal(err)
	}
	vm.Close()
}

func TestFilterRefusesOverlapsArchitectureCallsAndVMsThatRan(t *testing.T) {
	g := newGuest(t, insnHVC)
	if !g.vm.HasSMCCCFilter() {
		t.Fatal("a filter is set, but HasSMCCCFilter says no")
	}
	for _, c := range []struct{ first, count uint32 }{{callBase + 8, 16}, {0x8000_0000, 1}} {
		if err := g.vm.FilterSMCCC(c.first, c.count); !errors.Is(err, unix.EEXIST) {
			t.Errorf("%d functions from %#x: error is %v, want EEXIST", c.count, c.first, err)
		}
	}
	g.runToCall(callBase + 1)
	if err := g.vm.FilterSMCCC(0x8400_0060, 16); !errors.Is(err, unix.EBUSY) {
		t.Errorf("after a run the error is %v, want EBUSY", err)
	}
}

func TestFileThatIsNoKVMDeviceIsUnavailable(t *testing.T) {
	for _, path := range []string{"/dev/null", "/nonexistent"} {
		if _, err := Open(path); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: error is %v", path, err)
		}
	}
}
