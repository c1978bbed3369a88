package kvmarm

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestCPULineTakesTheGuestToItsVector(t *testing.T) {
	g := newGuest(t,
		0xd50342ff, // msr daifclr, #2
		0x14000000, // b .
	)
	g.vector(vectorIRQ,
		insnHVC,
		0xd69f03e0, // eret
	)
	g.check(g.vm.SetIRQLine(IRQCPU, 0, LineIRQ, true))
	g.runToCall(callBase + 1)
	g.want("PC", g.get(RegPC), vectors+vectorIRQ+4)
	g.want("interrupted PC", g.get(RegELREL1), ramBase+4)
}

func TestCPULineReachesTheGuestWhileItRuns(t *testing.T) {
	g := newGuest(t,
		0xd50342ff, // msr daifclr, #2
		0x14000000, // b .
	)
	g.vector(vectorIRQ, insnHVC)
	go func() {
		time.Sleep(20 * time.Millisecond)
		if err := g.vm.SetIRQLine(IRQCPU, 0, LineIRQ, true); err != nil {
			t.Error(err)
		}
	}()
	g.runToCall(callBase + 1)
}

func TestTimerOfVMWithoutGICIsADeviceLine(t *testing.T) {
	g := newGuest(t,
		0xd51be31f, // msr cntv_tval_el0, xzr
		0xd51be321, // msr cntv_ctl_el0, x1
		0xd5033fdf, // isb
		0x14000000, // b .
	)
	const enable, mask, status = 1, 2, 4
	g.set(RegX(1), enable)
	g.runToDeviceLevel(DeviceIRQVirtualTimer)
	g.want("CNTV_CTL", g.get(RegCNTVCTL), enable|status)
	if now, deadline := g.get(RegCNTVCT), g.get(RegCNTVCVAL); deadline > now {
		t.Errorf("the deadline %d is after now, %d", deadline, now)
	}
	g.set(RegCNTVCTL, enable|mask)
	g.runToDeviceLevel(0)
}

// runToDeviceLevel runs until the lines of the in-kernel devices are at level.
func (g *guest) runToDeviceLevel(level DeviceIRQ) {
	g.Helper()
	for deadline := time.Now().Add(patience); g.vcpu.DeviceIRQLevel() != level; {
		if err := g.vcpu.Run(); err != unix.EINTR {
			g.Fatalf("run says %v, exit %v", err, g.vcpu.Exit())
		}
		if time.Now().After(deadline) {
			g.Fatalf("the lines stay at %#x, want %#x", g.vcpu.DeviceIRQLevel(), level)
		}
	}
	g.want("exit", uint64(g.vcpu.Exit()), uint64(ExitIntr))
}

func TestLineThatRisesDuringAnotherExitShowsWithThatExit(t *testing.T) {
	g := newGuest(t,
		0xd51be301, // msr cntv_tval_el0, x1
		0xd51be322, // msr cntv_ctl_el0, x2
		0xd5033fdf, // isb
		insnHVC,
	)
	g.set(RegX(2), 1)
	for ticks := range uint64(4000) {
		g.set(RegPC, ramBase)
		g.set(RegCNTVCTL, 0)
		g.set(RegX(1), ticks)
		var err error
		for err = g.vcpu.Run(); err == unix.EINTR && g.vcpu.DeviceIRQLevel() == 0; {
			err = g.vcpu.Run()
		}
		if err == nil && g.vcpu.DeviceIRQLevel() == DeviceIRQVirtualTimer {
			g.want("exit", uint64(g.vcpu.Exit()), uint64(ExitHypercall))
			return
		}
	}
	t.Skip("no exit met a timer in its last moments")
}
