package kvmarm

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestForwardedCallExitsForHVCAndSMCAlike(t *testing.T) {
	g := newGuest(t,
		0x529fe020, // mov w0, #0xff01
		insnHVC,
		0x529fe040, // mov w0, #0xff02
		0xd4000003, // smc #0
	)
	for i, want := range []HypercallFlags{0, HypercallSMC} {
		g.run(ExitHypercall)
		nr, flags := g.vcpu.Hypercall()
		g.want("function", nr, callBase+1+uint64(i))
		g.want("flags", uint64(flags), uint64(want))
		g.want("PC past the instruction", g.get(RegPC), ramBase+8*uint64(i+1))
	}
}

func TestRegistersReadBackAsWritten(t *testing.T) {
	g := newGuest(t)
	regs := []RegID{RegSPEL0, RegPC, RegSPEL1, RegELREL1, RegCNTVCVAL, RegCNTPCVAL}
	for n := range 31 {
		regs = append(regs, RegX(n))
	}
	value := func(i int) uint64 { return 0x0123_4567_89ab_cd00 + uint64(4*i) }
	for i, r := range regs {
		g.set(r, value(i))
	}
	for i, r := range regs {
		if got := g.get(r); got != value(i) {
			t.Errorf("register %#x is %#x, want %#x", uint64(r), got, value(i))
		}
	}
}

func TestFreshVCPUIsInEL1WithInterruptsMasked(t *testing.T) {
	g := newGuest(t)
	g.want("PSTATE", g.get(RegPSTATE), 0x3c5) // DAIF, EL1h
	g.want("affinity", g.get(SysReg(3, 0, 0, 0, 5))&0xff_ffff, MPIDR(0))
}

func TestPeekReadsRegistersBesideTheOwner(t *testing.T) {
	g := newGuest(t)
	p, err := g.vcpu.NewPeek()
	g.check(err)
	defer p.Close()
	g.set(RegCNTVCVAL, 0x1234)
	read := make(chan uint64)
	go func() {
		v, err := p.Get(RegCNTVCVAL)
		if err != nil {
			t.Error(err)
		}
		read <- v
	}()
	g.want("x5 of a fresh vCPU", g.get(RegX(5)), 0)
	g.want("CNTV_CVAL", <-read, 0x1234)
}

func TestUnknownRegisterIsAnErrorThatNamesIt(t *testing.T) {
	g := newGuest(t)
	_, err := g.vcpu.Get(SysReg(3, 4, 4, 1, 0)) // SP_EL1, which is a core register for KVM
	if !errors.Is(err, unix.ENOENT) {
		t.Errorf("error %v, want ENOENT", err)
	}
	if want := "KVM_GET_ONE_REG (vCPU 0, register 0x603000000013e208): no such file or directory"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

func TestStoreWithoutSlotExitsWithAddressDataAndLength(t *testing.T) {
	g := newGuest(t,
		0x39000022, // strb w2, [x1]
		0x79001022, // strh w2, [x1, #8]
		0xb9001022, // str w2, [x1, #16]
		0xf9000c22, // str x2, [x1, #24]
		insnHVC,
	)
	const data = 0x8877_6655_4433_2211
	g.set(RegX(1), hole)
	g.set(RegX(2), data)
	for i, want := range []MMIO{
		{Addr: hole, Data: data & 0xff, Len: 1, Write: true},
		{Addr: hole + 8, Data: data & 0xffff, Len: 2, Write: true},
		{Addr: hole + 16, Data: data & 0xffff_ffff, Len: 4, Write: true},
		{Addr: hole + 24, Data: data, Len: 8, Write: true},
	} {
		g.run(ExitMMIO)
		if got := g.vcpu.MMIO(); got != want {
			t.Errorf("store %d is %+v, want %+v", i, got, want)
		}
	}
	g.runToCall(callBase + 1)
}

func TestLoadWithoutSlotReceivesTheDataGiven(t *testing.T) {
	g := newGuest(t,
		0x39400023, // ldrb w3, [x1]
		0x79401024, // ldrh w4, [x1, #8]
		0xb9401025, // ldr w5, [x1, #16]
		0xf9400c26, // ldr x6, [x1, #24]
		insnHVC,
	)
	const data = 0x8877_6655_4433_2211
	g.set(RegX(1), hole)
	for i, want := range []MMIO{
		{Addr: hole, Len: 1}, {Addr: hole + 8, Len: 2}, {Addr: hole + 16, Len: 4}, {Addr: hole + 24, Len: 8},
	} {
		g.run(ExitMMIO)
		if got := g.vcpu.MMIO(); got != want {
			t.Errorf("load %d is %+v, want %+v", i, got, want)
		}
		g.vcpu.SetMMIOData(data)
	}
	g.runToCall(callBase + 1)
	for i, want := range []uint64{data & 0xff, data & 0xffff, data & 0xffff_ffff, data} {
		g.want("loaded register", g.get(RegX(3+i)), want)
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	g := newGuest(t,
		insnHVC,
		0x17ffffff, // b .-4
	)
	s, err := g.vcpu.Stats()
	g.check(err)
	defer s.Close()
	g.run(ExitHypercall)
	allocs := testing.AllocsPerRun(200, func() {
		if err := g.vcpu.Run(); err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
		if g.vcpu.Exit() == ExitHypercall {
			g.vcpu.Hypercall()
		}
		v, err := g.vcpu.Get(RegX(2))
		if err != nil || g.vcpu.Set(RegX(2), v+1) != nil {
			t.Fatal(err)
		}
		g.vcpu.MMIO()
		g.vcpu.SetMMIOData(v)
		g.vcpu.DeviceIRQLevel()
		if err := g.vm.SetIRQLine(IRQCPU, 0, LineIRQ, false); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Blocking(); err != nil {
			t.Fatal(err)
		}
		if err := g.vcpu.SetMPState(MPRunnable); err != nil {
			t.Fatal(err)
		}
		if _, err := g.vcpu.MPState(); err != nil {
			t.Fatal(err)
		}
		if err := g.vcpu.SetBreakpoint(0, hole); err != nil {
			t.Fatal(err)
		}
		if err := g.vcpu.ClearBreakpoint(0); err != nil {
			t.Fatal(err)
		}
		g.vcpu.SetImmediateExit(true)
		if err := g.vcpu.Run(); err != unix.EINTR {
			t.Fatalf("Run with immediate exit says %v", err)
		}
		g.vcpu.SetImmediateExit(false)
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
}
