package ffa

import (
	"fmt"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

// newHFRig is newRig with the interface of January 2019. VMs listed in mapped have mailboxes.
func newHFRig(t tester, mapped []int, vcpus ...int) *rig {
	r := newRig(t, vcpus...)
	r.serve(r.core.HF())
	for _, vm := range mapped {
		g := r.vms[vm][0]
		if vm != primary {
			r.hfEnter(r.vms[primary][0], g)
		}
		if g.call(janVMConfigure, txOf(vm), rxOf(vm)); g.x[0] != 0 {
			t.Fatalf("configuring VM %d: %#x", vm, g.x[0])
		}
		if vm != primary {
			r.preempt(g)
		}
	}
	return r
}

// hfEnter runs g on p's pCPU and fails the test if it does not run.
func (r *rig) hfEnter(p, g *guest) {
	r.t.Helper()
	out := p.call(janVCPURun, uint64(g.ID.VM), uint64(g.ID.Index))
	if out != (hypercall.Outcome{Action: hypercall.Enter, VCPU: &g.VCPU}) {
		r.t.Fatalf("running vCPU %v: outcome %+v, x0 = %#x", g.ID, out, p.x[0])
	}
}

// hfRefuses checks that running g changes nothing and returns x0.
func (p *guest) hfRefuses(what string, g *guest, x0 uint64) {
	p.rig.t.Helper()
	if out := p.call(janVCPURun, uint64(g.ID.VM), uint64(g.ID.Index)); out != (hypercall.Outcome{}) {
		p.rig.t.Fatalf("%s: outcome %+v", what, out)
	}
	p.want(what, x0)
}

// newHFPair returns a primary and a secondary with two vCPUs, both on, and mailboxes for both VMs.
func newHFPair(t tester) (r *rig, p, a, b *guest) {
	r = newHFRig(t, []int{0, 1}, 1, 2)
	p, a, b = r.vms[0][0], r.vms[1][0], r.vms[1][1]
	r.hfEnter(p, a)
	a.blocks(hypercall.PSCICPUOn|smc64, 1, ramOf(1).Base, 0)
	p.want("run of a vCPU that switches another on", wakeUp(1, 1))
	return r, p, a, b
}

func wakeUp(vm, index uint64) uint64 { return 3 | index<<16 | vm<<32 }

// mail is what a receiving call returns.
func mail(from, size uint64) uint64 { return from | size<<32 }

const noMail = 0xFFFF_FFFF

func TestHFCallsReturnAtOnceWith(t *testing.T) {
	minus1 := failed
	for _, c := range []struct {
		who, name string
		fn        hypercall.FuncID
		args      []uint64
		x0        uint64
	}{
		{p, "id 0 of the primary", janVMGetID, nil, 0},
		{s, "id 1 of the first secondary", janVMGetID, nil, 1},
		{p, "number of VMs", janVMGetCount, nil, 3},
		{s, "number of VMs", janVMGetCount, nil, 3},
		{p, "vCPUs of the primary", janVCPUGetCount, []uint64{0}, 2},
		{p, "vCPUs of a secondary", janVCPUGetCount, []uint64{2}, 1},
		{p, "vCPUs of no VM", janVCPUGetCount, []uint64{3}, minus1},
		{p, "vCPUs of VM ffffffff", janVCPUGetCount, []uint64{0xFFFF_FFFF}, minus1},
		{p, "a VM's id has 32 bits", janVCPUGetCount, []uint64{rubbish | 1}, 2},
		{s, "vCPUs, asked by a secondary", janVCPUGetCount, []uint64{1}, minus1},

		{s, "run by a secondary", janVCPURun, []uint64{1, 1}, 2},
		{p, "run of the primary", janVCPURun, []uint64{0, 0}, 2},
		{p, "run of no VM", janVCPURun, []uint64{3, 0}, 2},
		{p, "run of VM ffffffff", janVCPURun, []uint64{0xFFFF_FFFF, 0}, 2},
		{p, "run of no vCPU", janVCPURun, []uint64{1, 2}, 2},
		{p, "run of a vCPU that is off", janVCPURun, []uint64{1, 1}, 2},
		{p, "run of a running vCPU", janVCPURun, []uint64{1, 0}, 2},
		{p, "yield by the primary", janVCPUYield, nil, 0},

		{p, "configure twice", janVMConfigure, []uint64{txOf(0), rxOf(0)}, minus1},
		{s, "configure an unaligned send page", janVMConfigure, []uint64{txOf(1) + 8, rxOf(1)}, minus1},

		{p, "send to itself", janMailboxSend, []uint64{0, 0, 0}, minus1},
		{p, "send to no VM", janMailboxSend, []uint64{3, 0, 0}, minus1},
		{p, "send too much", janMailboxSend, []uint64{1, 4097, 0}, minus1},
		{p, "a size has 64 bits", janMailboxSend, []uint64{1, 1 << 32, 0}, minus1},
		{p, "send to one without a mailbox", janMailboxSend, []uint64{2, 1, 0}, minus1},
		{p, "send where no vCPU waits", janMailboxSend, []uint64{1, 4096, 0}, 0xFFFF},

		{p, "receive by the primary", janMailboxReceive, []uint64{0}, noMail},
		{p, "blocking receive by the primary", janMailboxReceive, []uint64{1}, noMail},
		{s, "receive without a message", janMailboxReceive, []uint64{0}, noMail},
		{p, "clear of an empty mailbox", janMailboxClear, nil, minus1},
		{s, "clear of an empty mailbox", janMailboxClear, nil, minus1},
		{p, "nothing writable", janMailboxWritableGet, nil, minus1},
		{p, "no waiter", janMailboxWaiterGet, []uint64{0}, minus1},
		{p, "waiter of no VM", janMailboxWaiterGet, []uint64{9}, minus1},
		{s, "waiter, asked by a secondary", janMailboxWaiterGet, []uint64{1}, minus1},

		{s, "enable 63", janInterruptEnable, []uint64{63, 1}, 0},
		{s, "disable 0", janInterruptEnable, []uint64{0, 0}, 0},
		{s, "enable 64", janInterruptEnable, []uint64{64, 1}, minus1},
		{s, "no interrupt", janInterruptGet, nil, 0xFFFF_FFFF},
		{p, "inject 64", janInterruptInject, []uint64{1, 0, 64}, minus1},
		{p, "inject into no VM", janInterruptInject, []uint64{3, 0, 1}, minus1},
		{p, "inject into no vCPU", janInterruptInject, []uint64{1, 2, 1}, minus1},
		{s, "inject into another VM", janInterruptInject, []uint64{2, 0, 1}, minus1},
		{p, "inject what is not enabled", janInterruptInject, []uint64{1, 1, 63}, 0},

		{p, "call without a meaning: ff0e", 0xFF0E, nil, minus1},
		{s, "call without a meaning: ff0f", 0xFF0F, nil, minus1},
		{p, "a call of SPCI", spciVersion, nil, minus1},
	} {
		t.Run(c.who+": "+c.name, func(t *testing.T) {
			r := newHFRig(t, []int{0, 1}, 2, 2, 1)
			sec := r.vms[1][0]
			r.hfEnter(r.vms[0][0], sec)
			g := r.vms[0][1]
			if c.who == s {
				g = sec
			}
			if out := g.call(c.fn, c.args...); out != (hypercall.Outcome{}) {
				t.Errorf("outcome %+v", out)
			}
			g.want(c.name, c.x0)
			for n := 1 + len(c.args); n < hypercall.NumRegs; n++ {
				if g.x[n] != 0xDEAD_0000_0000_0000|uint64(n) {
					t.Errorf("x%d changed to %#x", n, g.x[n])
				}
			}
		})
	}
}

func TestHFConfigureRefusesMemoryThatTheCallerDoesNotOwn(t *testing.T) {
	for name, c := range map[string][2]uint64{
		"one page twice":          {txOf(1), txOf(1)},
		"another VM's send page":  {txOf(0), rxOf(1)},
		"the page behind its own": {txOf(1), ramOf(1).Base + vmSize},
	} {
		r := newHFRig(t, nil, 1, 1)
		g := r.vms[1][0]
		r.hfEnter(r.vms[0][0], g)
		g.call(janVMConfigure, c[0], c[1])
		g.want(name, failed)
	}
}

func TestHFDoesNotWorkBySMC(t *testing.T) {
	r := newHFRig(t, nil, 1)
	g := r.vms[0][0]
	g.load(janVMGetCount)
	g.dispatch(hypercall.SMC)
	g.Regs.Flush()
	g.want("count by SMC", hypercall.NotSupported)
}

func TestHFRunResultsAreOneNumber(t *testing.T) {
	for _, c := range []struct {
		name  string
		leave func(r *rig, a *guest) hypercall.Outcome
		x0    uint64
	}{
		{"preempted", func(r *rig, a *guest) hypercall.Outcome { return r.core.Preempt(&a.VCPU) }, 0},
		{"its timer fired", func(r *rig, a *guest) hypercall.Outcome { return r.core.TimerExpired(&a.VCPU) }, 0},
		{"yield", func(r *rig, a *guest) hypercall.Outcome { return a.call(janVCPUYield) }, 1},
		{"WFI", func(r *rig, a *guest) hypercall.Outcome { return r.core.WaitForInterrupt(&a.VCPU) }, 2},
		{"CPU_OFF", func(r *rig, a *guest) hypercall.Outcome { return a.call(hypercall.PSCICPUOff) }, 2},
		{"abort", func(r *rig, a *guest) hypercall.Outcome { return r.core.Abort(&a.VCPU) }, 2},
		{"receive", func(r *rig, a *guest) hypercall.Outcome { return a.call(janMailboxReceive, 1) }, 2},
		{"WFI with a timer", func(r *rig, a *guest) hypercall.Outcome {
			a.arm(1000)
			return r.core.WaitForInterrupt(&a.VCPU)
		}, 5 | 1000<<8},
		{"receive with a timer", func(r *rig, a *guest) hypercall.Outcome {
			a.arm(70_000_000_000)
			return a.call(janMailboxReceive, 1)
		}, 5 | 70_000_000_000<<8},
		{"WFI with a timer that fires after years", func(r *rig, a *guest) hypercall.Outcome {
			a.arm(1 << 60)
			return r.core.WaitForInterrupt(&a.VCPU)
		}, 0xFFFF_FFFF_FFFF_FF05},
		{"receive with a timer that fired", func(r *rig, a *guest) hypercall.Outcome {
			a.arm(0)
			return a.call(janMailboxReceive, 1)
		}, 0},
		{"message for the primary", func(r *rig, a *guest) hypercall.Outcome { return a.call(janMailboxSend, 0, 9, 0) }, 4 | 9<<32},
		{"message for a secondary that does not wait", func(r *rig, a *guest) hypercall.Outcome {
			return a.call(janMailboxSend, 2, 9, 0)
		}, wakeUp(2, 0xFFFF)},
		{"interrupt for a sibling", func(r *rig, a *guest) hypercall.Outcome {
			r.vms[1][1].core().irqs.enable(7, true)
			return a.call(janInterruptInject, 1, 1, 7)
		}, wakeUp(1, 1)},
		{"CPU_ON", func(r *rig, a *guest) hypercall.Outcome {
			return a.call(hypercall.PSCICPUOn, 1, ramOf(1).Base, 0)
		}, wakeUp(1, 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newHFRig(t, []int{0, 1, 2}, 1, 2, 1)
			p, a := r.vms[0][0], r.vms[1][0]
			r.hfEnter(p, a)
			if out := c.leave(r, a); out.Action != hypercall.Leave {
				t.Fatalf("outcome %+v", out)
			}
			r.settle()
			p.want(c.name, c.x0)
		})
	}
}

func TestHFRunOfWhatCannotRunIsAWaitForAnInterrupt(t *testing.T) {
	r, p, a, b := newHFPair(t)
	r.hfEnter(p, a)
	a.blocks(janMailboxReceive, 1)
	p.hfRefuses("blocked in receive", a, 2)
	r.hfEnter(p, b)
	b.arm(50)
	r.core.WaitForInterrupt(&b.VCPU)
	r.advance(10)
	p.hfRefuses("asleep", b, 5|40<<8)
	r.advance(40)
	r.hfEnter(p, b)
	r.core.Abort(&b.VCPU)
	p.hfRefuses("aborted", b, 2)
	p.hfRefuses("in an aborted VM", a, 2)
	p.call(janMailboxSend, 1, 1, 0)
	p.want("send to an aborted VM", 0xFFFF)
	p.hfRefuses("in an aborted VM that got a message", a, 2)
}

func TestHFMessageIsHandedToTheVCPUThatBlockedLast(t *testing.T) {
	r, p, a, b := newHFPair(t)
	r.hfEnter(p, a)
	a.blocks(janMailboxReceive, 1)
	r.hfEnter(p, b)
	b.blocks(janMailboxReceive, 1)

	p.call(janMailboxSend, 1, p.write("first"), 0)
	p.want("send", 1)
	p.hfRefuses("the other one", a, 2)
	r.hfEnter(p, b)
	b.want("receive", mail(0, 5))
	b.call(janMailboxReceive, 0)
	b.want("the message comes once", noMail)
	b.call(janMailboxClear)
	b.want("clear", 0)
	r.preempt(b)

	p.call(janMailboxSend, 1, p.write("second"), 0)
	p.want("send", 0)
	r.hfEnter(p, a)
	a.want("receive", mail(0, 6))
	if got := string(r.page(rxOf(1))[:6]); got != "second" {
		t.Errorf("received %q", got)
	}
}

func TestHFMessageForASecondaryWakesItsReceiver(t *testing.T) {
	r := newHFRig(t, []int{0, 1, 2}, 1, 1, 1)
	p, a, b := r.vms[0][0], r.vms[1][0], r.vms[2][0]
	r.hfEnter(p, b)
	b.blocks(janMailboxReceive, 1)
	r.hfEnter(p, a)
	a.blocks(janMailboxSend, 2, a.write("psst"), 0)
	p.want("run", wakeUp(2, 0))
	r.hfEnter(p, b)
	b.want("receive", mail(1, 4))
	b.blocks(janMailboxSend, 1, b.write("yes?"), 0)
	p.want("run", wakeUp(1, 0xFFFF))
	r.hfEnter(p, a)
	a.want("send", 0)
	a.call(janMailboxClear)
	a.want("clear of what was not read", failed)
	a.call(janMailboxReceive, 1)
	a.want("receive", mail(2, 4))
}

func TestHFMessageForThePrimaryIsRead(t *testing.T) {
	r, p, a, _ := newHFPair(t)
	r.hfEnter(p, a)
	a.blocks(janMailboxSend, 0, a.write("reply"), 0)
	p.want("run", 4|5<<32)
	if got := string(r.page(rxOf(0))[:5]); got != "reply" {
		t.Errorf("received %q", got)
	}
	r.hfEnter(p, a)
	a.want("send", 0)
	a.call(janMailboxSend, 0, 1, 0)
	a.want("send to a full mailbox", failed)
	p.call(janMailboxClear)
	p.want("clear", 0)
	p.call(janMailboxClear)
	p.want("clear of an empty mailbox", failed)
}

func TestHFInterruptEndsAReceive(t *testing.T) {
	r, p, a, b := newHFPair(t)
	r.hfEnter(p, a)
	a.call(janInterruptEnable, 9, 1)
	a.blocks(janMailboxReceive, 1)
	r.hfEnter(p, b)
	b.blocks(janMailboxReceive, 1)
	p.call(janInterruptInject, 1, 0, 9)
	p.want("injection", 1)
	p.call(janInterruptInject, 1, 0, 9)
	p.want("second injection", 0)
	for _, index := range []uint64{1, 0xFFFF} { // a waits no longer
		p.call(janMailboxSend, 1, 3, 0)
		p.want("send", index)
		r.core.vms[1].box.state = boxEmpty
	}
	r.hfEnter(p, a)
	a.want("receive", noMail)
	a.call(janMailboxReceive, 1)
	a.want("receive with an interrupt pending", noMail)
	a.call(janInterruptGet)
	a.want("interrupt", 9)
}

func TestHFTimerEndsAReceive(t *testing.T) {
	r, p, a, _ := newHFPair(t)
	r.hfEnter(p, a)
	a.arm(10)
	a.blocks(janMailboxReceive, 1)
	r.advance(10)
	r.hfEnter(p, a)
	a.want("receive", noMail)
	a.call(janInterruptEnable, VirtualTimer, 1)
	a.call(janInterruptGet)
	a.want("interrupt", VirtualTimer)
	r.preempt(a)
	p.call(janMailboxSend, 1, 3, 0)
	p.want("send to one whose wait the timer ended", 0xFFFF)
}

// The protocol of writable mailboxes, from the failed send to the retry, for each pair of roles.
func TestHFFailedSendIsNotifiedWhenTheMailboxBecomesWritable(t *testing.T) {
	for _, c := range []struct{ sender, receiver int }{{0, 1}, {1, 0}, {1, 2}} {
		for _, unconfigured := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d to %d, unconfigured %v", c.sender, c.receiver, unconfigured), func(t *testing.T) {
				mapped := []int{0, 1, 2}
				if unconfigured {
					mapped = append(mapped[:c.receiver:c.receiver], mapped[c.receiver+1:]...)
				}
				r := newHFRig(t, mapped, 1, 1, 1)
				p, from, to := r.vms[0][0], r.vms[c.sender][0], r.vms[c.receiver][0]
				// as does what a VM does while it runs, and says whether it left in the end.
				as := func(g *guest, do func()) {
					if g != p {
						r.hfEnter(p, g)
						defer func() {
							if r.core.Runner(&g.VCPU) != nil {
								r.preempt(g)
							}
						}()
					}
					do()
				}
				if !unconfigured {
					as(from, func() { from.call(janMailboxSend, uint64(c.receiver), 1, 0) })
				}
				as(from, func() {
					for range 2 { // waits once, however often it asked
						from.call(janMailboxSend, uint64(c.receiver), 1, 1)
						from.want("send", failed)
					}
				})
				p.call(janMailboxWaiterGet, uint64(c.receiver))
				p.want("waiter of a mailbox that takes nothing", failed)
				if unconfigured {
					as(to, func() { to.call(janVMConfigure, txOf(c.receiver), rxOf(c.receiver)) })
				} else {
					as(to, func() {
						if to != p {
							to.call(janMailboxReceive, 1)
						}
						to.call(janMailboxClear)
					})
				}
				if to == p {
					p.want("clear or configure by the primary", 1)
				} else {
					p.want("run", 6)
					as(to, func() { to.want("clear or configure by a secondary", 0) })
				}
				for _, id := range []uint64{uint64(c.sender), failed} {
					p.call(janMailboxWaiterGet, uint64(c.receiver))
					p.want("waiter", id)
				}
				as(from, func() {
					for _, id := range []uint64{uint64(c.receiver), failed} {
						from.call(janMailboxWritableGet)
						from.want("writable", id)
					}
				})
				as(from, func() {
					if out := from.call(janMailboxSend, uint64(c.receiver), 1, 1); from == p {
						p.want("retry", 0xFFFF)
					} else if out != leaves {
						t.Errorf("retry: outcome %+v, x0 = %#x", out, from.x[0])
					}
				})
			})
		}
	}
}

func TestHFSendWithoutNotifyDoesNotWait(t *testing.T) {
	r, p, a, _ := newHFPair(t)
	p.call(janMailboxSend, 1, 1, 0)
	p.call(janMailboxSend, 1, 1, 0)
	r.hfEnter(p, a)
	a.call(janMailboxReceive, 1)
	if out := a.call(janMailboxClear); out != (hypercall.Outcome{}) {
		t.Errorf("outcome %+v", out)
	}
}

func TestHFBootIsTheFirstByteWithNothingInX0(t *testing.T) {
	if b := HFBoot(Span{0x1000, 0x2000}); b != (hypercall.Boot{Entry: 0x1000}) {
		t.Errorf("%+v", b)
	}
}
