package kvmarm

import (
	"encoding/binary"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// The memory of a test's guest.
const (
	ramBase = 0x4000_0000
	ramSize = 0x10_0000
	vectors = ramBase + 0x1000 // VBAR_EL1; see guest.vector
	hole    = 0x1000_0000      // no memslot

	gicdBase = 0x0800_0000
	gicrBase = 0x080a_0000
)

// Offsets of vectors of EL1h in the vector table.
const (
	vectorSync = 0x200
	vectorIRQ  = 0x280
)

const (
	ramSlot = 0
	testSPI = 40
)

// callBase is the first of the 16 functions that a test's guest calls with.
const callBase = 0xff00

var (
	regVBAR = SysReg(3, 0, 12, 0, 0)
	insnHVC = uint32(0xd4000002) // hvc #0
)

// guest is a VM with one vCPU and some RAM.
type guest struct {
	*testing.T
	sys  *System
	vm   *VM
	vcpu *VCPU
	ram  []byte
}

// openKVM skips the test where there is no KVM.
func openKVM(t *testing.T) *System {
	t.Helper()
	sys, err := Open("/dev/kvm")
	if err != nil {
		t.Skipf("this test needs KVM: %v", err)
	}
	t.Cleanup(func() { sys.Close() })
	if err := keepVM(sys); err != nil {
		t.Fatal(err)
	}
	return sys
}

var (
	keepOnce sync.Once
	keepErr  error
)

// keepVM makes one VM that lives as long as the process. Linux patches its scheduler when the first VM
// of the host comes and when the last one goes (preempt_notifier_key). QEMU 7.2 without KVM of its own,
// when its host is busy, now and then goes on with the old code on one processor: a vCPU is then
// scheduled in without having been out, and Linux declares its VM dead (EIO).
func keepVM(sys *System) error {
	keepOnce.Do(func() { _, keepErr = sys.CreateVM(0) })
	return keepErr
}

// newGuest makes a guest that will execute code from ramBase. The test stays on its thread.
func newGuest(t *testing.T, code ...uint32) *guest {
	t.Helper()
	g := &guest{T: t, sys: openKVM(t)}
	runtime.LockOSThread()
	var err error
	g.vm, err = g.sys.CreateVM(0)
	g.check(err)
	t.Cleanup(func() { g.vm.Close() })
	g.ram, err = unix.Mmap(-1, 0, ramSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	g.check(err)
	t.Cleanup(func() { unix.Munmap(g.ram) })
	g.check(g.vm.SetSlot(ramSlot, ramBase, g.ram, 0))
	g.check(g.vm.FilterSMCCC(callBase, 16))
	g.vcpu, err = g.vm.CreateVCPU(0)
	g.check(err)
	t.Cleanup(func() { g.vcpu.Close() })
	g.check(g.vcpu.Init(FeaturePSCI02))
	g.set(RegPC, ramBase)
	g.set(RegX(0), callBase+1)
	g.set(regVBAR, vectors)
	g.write(ramBase, code)
	return g
}

// vector installs the code of an exception vector, at most 32 instructions.
func (g *guest) vector(offset uint64, code ...uint32) {
	g.Helper()
	if len(code) > 32 {
		g.Fatalf("a vector of %d instructions", len(code))
	}
	g.write(vectors+offset, code)
}

func (g *guest) write(ipa uint64, words []uint32) {
	for i, w := range words {
		binary.LittleEndian.PutUint32(g.ram[ipa-ramBase+uint64(4*i):], w)
	}
}

func (g *guest) check(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

func (g *guest) get(reg RegID) uint64 {
	g.Helper()
	v, err := g.vcpu.Get(reg)
	g.check(err)
	return v
}

func (g *guest) set(reg RegID, v uint64) {
	g.Helper()
	g.check(g.vcpu.Set(reg, v))
}

func (g *guest) want(what string, got, want uint64) {
	g.Helper()
	if got != want {
		g.Errorf("%s is %#x, want %#x", what, got, want)
	}
}

// run runs until an exit, which must be want.
func (g *guest) run(want Exit) {
	g.Helper()
	for {
		switch err := g.vcpu.Run(); err {
		case nil:
			if got := g.vcpu.Exit(); got != want {
				g.Fatalf("exit with %v at PC %#x, want %v", got, g.get(RegPC), want)
			}
			return
		case unix.EINTR:
		default:
			g.Fatal(err)
		}
	}
}

// runToCall runs until a hypercall with function nr.
func (g *guest) runToCall(nr uint64) {
	g.Helper()
	g.run(ExitHypercall)
	got, _ := g.vcpu.Hypercall()
	g.want("function", got, nr)
}
