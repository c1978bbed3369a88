package kvmarm

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newGICGuest makes a guest with a vGIC that enables all its SGIs, PPIs and the first 32 SPIs, calls
// with 0xff01, waits with interrupts unmasked, and calls with the INTID in x1 at each.
func newGICGuest(t *testing.T) (*guest, *VGIC) {
	g := newGuest(t,
		0x52800041, // mov w1, #2
		0xb9000141, // str w1, [x10]          GICD_CTLR.EnableGrp1
		0x12800001, // mov w1, #-1
		0xb9008541, // str w1, [x10, #0x84]   GICD_IGROUPR1
		0xb9010541, // str w1, [x10, #0x104]  GICD_ISENABLER1
		0xb9008161, // str w1, [x11, #0x80]   GICR_IGROUPR0
		0xb9010161, // str w1, [x11, #0x100]  GICR_ISENABLER0
		0xd5184601, // msr icc_pmr_el1, x1
		0xd2800021, // mov x1, #1
		0xd518cce1, // msr icc_igrpen1_el1, x1
		0xd5033fdf, // isb
		insnHVC,    //
		0xd50342ff, // msr daifclr, #2
		0xd503207f, // wfi
		0x17ffffff, // b .-4
	)
	g.vector(vectorIRQ,
		0xd538cc01, // mrs x1, icc_iar1_el1
		insnHVC,
		0xd518cc21, // msr icc_eoir1_el1, x1
		0xd69f03e0, // eret
	)
	gic, err := g.vm.CreateVGICv3(gicdBase, gicrBase, 1, 64)
	g.check(err)
	t.Cleanup(func() { gic.Close() })
	g.set(RegX(10), gicdBase)
	g.set(RegX(11), gicrBase+0x1_0000)
	g.runToCall(callBase + 1)
	return g, gic
}

func TestSPIReachesTheGuest(t *testing.T) {
	g, _ := newGICGuest(t)
	g.check(g.vm.SetIRQLine(IRQSPI, 0, testSPI, true))
	g.runToCall(callBase + 1)
	g.want("INTID", g.get(RegX(1)), testSPI)
}

func TestPPIReachesTheGuest(t *testing.T) {
	g, _ := newGICGuest(t)
	g.check(g.vm.SetIRQLine(IRQPPI, 0, 20, true))
	g.runToCall(callBase + 1)
	g.want("INTID", g.get(RegX(1)), 20)
}

func TestSGIMadePendingInTheRedistributorReachesTheGuest(t *testing.T) {
	g, gic := newGICGuest(t)
	pending, err := gic.Redist(0, GICRISPENDR0)
	g.check(err)
	g.check(gic.SetRedist(0, GICRISPENDR0, pending|1<<5))
	pending, err = gic.Redist(0, GICRISPENDR0)
	g.check(err)
	g.want("pending", uint64(pending), 1<<5)
	g.runToCall(callBase + 1)
	g.want("INTID", g.get(RegX(1)), 5)
}

func TestSuspendedVCPUWakesOnSPI(t *testing.T) {
	g, _ := newGICGuest(t)
	g.check(g.vcpu.SetMPState(MPSuspended))
	go func() {
		time.Sleep(20 * time.Millisecond)
		if err := g.vm.SetIRQLine(IRQSPI, 0, testSPI, true); err != nil {
			t.Error(err)
		}
	}()
	pc := g.get(RegPC)
	g.run(ExitSystemEvent)
	g.want("event", uint64(g.vcpu.SystemEvent()), uint64(SystemEventWakeup))
	g.want("PC", g.get(RegPC), pc)
	state, err := g.vcpu.MPState()
	g.check(err)
	g.want("state", uint64(state), uint64(MPSuspended))

	g.check(g.vcpu.SetMPState(MPRunnable))
	g.runToCall(callBase + 1)
	g.want("INTID", g.get(RegX(1)), testSPI)
}

func TestSuspendedVCPUWakesOnItsTimer(t *testing.T) {
	g, _ := newGICGuest(t)
	g.set(RegCNTVCVAL, g.get(RegCNTVCT)+CounterFrequency()/50)
	g.set(RegCNTVCTL, 1)
	g.check(g.vcpu.SetMPState(MPSuspended))
	g.run(ExitSystemEvent)
	g.want("event", uint64(g.vcpu.SystemEvent()), uint64(SystemEventWakeup))
}

func TestVCPUAfterTheVGICIsRefused(t *testing.T) {
	g, _ := newGICGuest(t)
	if _, err := g.vm.CreateVCPU(1); !errors.Is(err, unix.EBUSY) {
		t.Errorf("error is %v, want EBUSY", err)
	}
}

func TestMisplacedVGICIsAnErrorThatNamesTheStep(t *testing.T) {
	g := newGuest(t)
	_, err := g.vm.CreateVGICv3(gicdBase+0x100, gicrBase, 1, 64)
	if want := "KVM_SET_DEVICE_ATTR (vGIC distributor at IPA 0x8000100): invalid argument"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %q", err, want)
	}
}

func TestDistributorTellsWhatTheGuestEnabled(t *testing.T) {
	_, gic := newGICGuest(t)
	for _, c := range []struct{ offset, want uint32 }{
		{0x104, 0xFFFF_FFFF}, // GICD_ISENABLER1
		{0x304, 0},           // GICD_ISACTIVER1
	} {
		if v, err := gic.Dist(c.offset); v != c.want || err != nil {
			t.Errorf("distributor register %#x: %#x, %v; want %#x", c.offset, v, err, c.want)
		}
	}
}
