package ffa

import (
	"testing"

	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
)

func TestFFAHotPathsAllocateNothing(t *testing.T) {
	r, irqs := newNotifyRig(t, nil, 1, 1, 1)
	p, a, b := r.guest(0), r.guest(1), r.guest(2)
	for vm := range 2 {
		r.core.mapBuffers(&r.core.vms[vm], txOf(vm), rxOf(vm), 1)
	}
	r.run(p, a)
	a.returns("bind", ffaNotificationBind, []uint64{pair(0, 1), 0, 1}, succeeds(0)...)
	a.leaves(ffaMsgWait)
	r.waiting(2)
	p.send2(wire.Message{Offset: 40, Sender: 1, Receiver: 2, Size: 8}, "message!")
	call := func(g *guest, fn hypercall.FuncID, x1, x2, x3 uint64) {
		g.Regs.Forget()
		clear(g.x[:])
		g.x[0], g.x[1], g.x[2], g.x[3] = uint64(fn), x1, x2, x3
		g.dispatch(hypercall.HVC)
		g.Regs.Flush()
	}
	for _, c := range []struct {
		name string
		path func()
	}{
		{"direct request", func() {
			call(p, ffaDirectReq, pair(0, 1), 0, 5)
			call(a, ffaDirectResp, pair(1, 0), 0, 6)
		}},
		{"direct request of version 1.2", func() {
			call(p, ffaDirectReq2|hypercall.SMC64, pair(0, 1), 0, 0)
			call(a, ffaDirectResp2|hypercall.SMC64, pair(1, 0), 0, 0)
		}},
		{"chain that is preempted", func() {
			call(p, ffaDirectReq, pair(0, 1), 0, 0)
			call(a, ffaDirectReq, pair(1, 2), 0, 0)
			r.core.Preempt(&b.VCPU)
			call(p, ffaRun, a.w1(), 0, 0)
			call(b, ffaDirectResp, pair(2, 1), 0, 0)
			call(a, ffaDirectResp, pair(1, 0), 0, 0)
		}},
		{"run and wait", func() {
			call(p, ffaRun, a.w1(), 0, 0)
			call(a, ffaMsgWait, 0, 0, 0)
		}},
		{"notification", func() {
			*irqs = (*irqs)[:0]
			call(p, ffaNotificationSet, pair(0, 1), 0, 1)
			call(p, ffaNotificationInfoGet|hypercall.SMC64, 0, 0, 0)
			call(p, ffaRun, a.w1(), 0, 0)
			call(a, ffaNotificationGet, 2, 15, 0)
			call(a, ffaMsgWait, 0, 0, 0)
		}},
		{"indirect message", func() {
			call(p, ffaMsgSend2, 0, 0, 0)
			call(p, ffaRun, a.w1(), 0, 0)
			call(a, ffaNotificationGet, 2, 15, 0)
			call(a, ffaRXRelease, 0, 0, 0)
			call(a, ffaMsgWait, 0, 0, 0)
		}},
		{"discovery", func() { call(p, ffaPartitionInfoRegs|hypercall.SMC64, 0, 0, 0) }},
	} {
		if n := testing.AllocsPerRun(100, c.path); n != 0 {
			t.Errorf("%s allocates %v times", c.name, n)
		}
		if a.core().state != waitingMessage || b.core().state != waitingMessage {
			t.Errorf("%s did not run to its end: states %d and %d", c.name, a.core().state, b.core().state)
		}
	}
}
