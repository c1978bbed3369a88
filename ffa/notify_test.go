package ffa

import (
	"bytes"
	"slices"
	"testing"

	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
)

// sgi is an interrupt that was raised.
type sgi struct {
	id    hypercall.VCPUID
	intid uint32
}

// sgis records what is raised.
type sgis []sgi

func (s *sgis) RaiseSGI(id hypercall.VCPUID, intid uint32) { *s = append(*s, sgi{id, intid}) }

// take returns what was raised since the last time.
func (s *sgis) take() (raised []sgi) {
	raised, *s = *s, nil
	return raised
}

// newNotifyRig returns a machine whose primary has a GIC and both interrupts, VM 1 none and VM 2 a GIC.
func newNotifyRig(t tester, edit func(*Config), vcpus ...int) (ffaRig, *sgis) {
	raised := &sgis{}
	return newFFARig(t, func(cfg *Config) {
		cfg.Interrupts = raised
		p := cfg.Partitions
		p[0].GIC, p[0].NPI, p[0].SRI = true, 8, 9
		for i := range p[1:] {
			p[1+i].NPI = NPIIRQ
		}
		if len(p) > 2 {
			p[2].GIC, p[2].NPI = true, 8
		}
		if edit != nil {
			edit(cfg)
		}
	}, vcpus...), raised
}

func (g *guest) raised(s *sgis, what string, want ...sgi) {
	g.rig.t.Helper()
	if got := s.take(); !slices.Equal(got, want) {
		g.rig.t.Errorf("%s: raised %v, want %v", what, got, want)
	}
}

var vcpu00 = hypercall.VCPUID{}

func TestNotificationReachesItsReceiverOnce(t *testing.T) {
	r, irqs := newNotifyRig(t, nil, 1, 2)
	p, a := r.guest(0), r.guest(1)
	r.run(p, a)
	a.returns("bind", ffaNotificationBind, []uint64{pair(0, 1), 0, 6, 1}, succeeds(0)...)
	a.leaves(ffaMsgWait)
	p.denies("one that is not bound", denied, ffaNotificationSet, pair(0, 1), 0, 1)
	p.returns("set", ffaNotificationSet, []uint64{pair(0, 1), 0, 4, 1}, succeeds(0)...)
	p.raised(irqs, "the scheduler is interrupted", sgi{vcpu00, 9})
	if !a.core().irqs.raise(NPIIRQ) && a.core().irqs.pending>>NPIIRQ&1 == 0 {
		t.Error("the receiver is not interrupted")
	}
	p.returns("set another", ffaNotificationSet, []uint64{pair(0, 1), 0, 2}, succeeds(0)...)
	p.raised(irqs, "once for both")
	p.returns("info", ffaNotificationInfoGet|hypercall.SMC64, nil, fid(ffaSuccess|hypercall.SMC64), 0, 1<<7, 2)
	p.denies("info again", noData, ffaNotificationInfoGet|hypercall.SMC64)
	r.run(p, a)
	a.returns("get of the SPs'", ffaNotificationGet, []uint64{2, 1}, succeeds(0, 0, 0, 0, 0, 0)...)
	a.returns("get", ffaNotificationGet, []uint64{1<<16 | 2, 15}, succeeds(0, 0, 6, 1, 0, 0)...)
	a.returns("get again", ffaNotificationGet, []uint64{2, 15}, succeeds(0, 0, 0, 0, 0, 0)...)
	a.leaves(ffaMsgWait)
	p.returns("set after that", ffaNotificationSet, []uint64{pair(0, 1), 0, 2}, succeeds(0)...)
	p.raised(irqs, "a new one", sgi{vcpu00, 9})
}

func TestNotificationOfThePrimaryInterruptsTheCPUOnWhichItWasSet(t *testing.T) {
	r, irqs := newNotifyRig(t, nil, 2, 1)
	p, q, a := r.guest(0), r.vms[0][1], r.guest(1)
	p.returns("bind", ffaNotificationBind, []uint64{pair(1, 0), 0, 1}, succeeds(0)...)
	r.run(q, a)
	a.returns("set", ffaNotificationSet, []uint64{pair(1, 0), 0, 1}, succeeds(0)...)
	q.raised(irqs, "its own", sgi{q.ID, 8})
	a.returns("set again", ffaNotificationSet, []uint64{pair(1, 0), 0, 1}, succeeds(0)...)
	q.raised(irqs, "still pending")
	p.denies("not to be scheduled", noData, ffaNotificationInfoGet)
	p.returns("get on any CPU", ffaNotificationGet, []uint64{1<<16 | 1, 15}, succeeds(0, 0, 1, 0, 0, 0)...)
	a.returns("set once more", ffaNotificationSet, []uint64{pair(1, 0), 0, 1}, succeeds(0)...)
	q.raised(irqs, "a new one", sgi{q.ID, 8})
}

func TestNotificationOfAVCPUIsThatVCPUs(t *testing.T) {
	r, irqs := newNotifyRig(t, nil, 1, 1, 2)
	p, b := r.guest(0), r.guest(2)
	r.run(p, b)
	b.returns("bind", ffaNotificationBind, []uint64{pair(0, 2), 1, 1}, succeeds(0)...)
	b.denies("bind again", denied, ffaNotificationBind, pair(1, 2), 0, 1)
	b.leaves(ffaMsgWait)
	p.denies("as a global one", denied, ffaNotificationSet, pair(0, 2), 0, 1)
	p.denies("global with a vCPU", invalid, ffaNotificationSet, pair(0, 2), 1<<16, 1)
	p.denies("no vCPU", invalid, ffaNotificationSet, pair(0, 2), 2<<16|1, 1)
	p.returns("set", ffaNotificationSet, []uint64{pair(0, 2), 1<<16 | 1, 1}, succeeds(0)...)
	p.raised(irqs, "with a GIC", sgi{hypercall.VCPUID{VM: 2, Index: 1}, 8}, sgi{vcpu00, 9})
	p.returns("info", ffaNotificationInfoGet, nil, fid(ffaSuccess), 0, 1<<7|1<<12, 3|1<<16)
	r.run(p, b)
	b.denies("unbind while it is pending", denied, ffaNotificationUnbind, pair(0, 2), 0, 1)
	b.returns("get of vCPU 0", ffaNotificationGet, []uint64{3, 15}, succeeds(0, 0, 0, 0, 0, 0)...)
	b.returns("get of vCPU 1", ffaNotificationGet, []uint64{1<<16 | 3, 15}, succeeds(0, 0, 1, 0, 0, 0)...)
	b.denies("unbind from another", denied, ffaNotificationUnbind, pair(1, 2), 0, 1)
	b.returns("unbind", ffaNotificationUnbind, []uint64{pair(0, 2), 0, 1}, succeeds(0)...)
	b.denies("unbind again", denied, ffaNotificationUnbind, pair(0, 2), 0, 1)
}

func TestInfoListsOnlyWhomTheCallerSchedules(t *testing.T) {
	r, irqs := newNotifyRig(t, func(cfg *Config) { cfg.Partitions[2].NPI, cfg.Partitions[2].SRI = 0, 9 }, 1, 1, 1, 1)
	p, a, b, c := r.guest(0), r.guest(1), r.guest(2), r.guest(3)
	for i, g := range []*guest{a, b, c} {
		r.run(p, g)
		g.returns("bind", ffaNotificationBind, []uint64{pair(0, i+1), 0, 1}, succeeds(0)...)
		g.leaves(ffaMsgWait)
		p.returns("set", ffaNotificationSet, []uint64{pair(0, i+1), 0, 1}, succeeds(0)...)
	}
	p.raised(irqs, "b schedules itself", sgi{vcpu00, 9}, sgi{b.ID, 9})
	for _, g := range []*guest{a, b} {
		r.run(p, g)
		if g == a {
			g.denies("who schedules nobody", noData, ffaNotificationInfoGet)
		} else {
			g.returns("who schedules itself", ffaNotificationInfoGet, nil, fid(ffaSuccess), 0, 1<<7, 3)
			g.denies("once", noData, ffaNotificationInfoGet)
		}
		g.leaves(ffaMsgWait)
	}
	p.returns("the primary", ffaNotificationInfoGet, nil, fid(ffaSuccess), 0, 3<<7, 2|3<<16, 4)
}

// Each of 24 VMs has one: that is more than ten or twenty.
func TestInfoContinuesWhereItHadNoMoreRoom(t *testing.T) {
	for _, c := range []struct {
		fn  hypercall.FuncID
		per []int
	}{{ffaNotificationInfoGet, []int{10, 10, 4}}, {ffaNotificationInfoGet | hypercall.SMC64, []int{20, 4}}} {
		vcpus := make([]int, 25)
		for i := range vcpus {
			vcpus[i] = 1
		}
		r, _ := newNotifyRig(t, nil, vcpus...)
		p := r.guest(0)
		for i := 1; i < len(vcpus); i++ {
			r.core.vms[i].notifications.pending[fromVMs] = 1
		}
		next := uint16(2)
		for n, count := range c.per {
			p.ask(c.fn)
			want := wire.NotificationList{Wide: c.fn&hypercall.SMC64 != 0, More: n < len(c.per)-1}
			for range count {
				want.Global(next)
				next++
			}
			if x := want.Regs(); !slices.Equal(p.x[2:8], x[:]) {
				t.Errorf("list %d is %#x, want %#x", n, p.x[2:8], x)
			}
		}
		p.denies("after the last", noData, c.fn)
	}
}

func TestDelayedInterruptWaitsUntilThePrimaryHasItsCPU(t *testing.T) {
	r, irqs := newNotifyRig(t, nil, 1, 1, 1)
	p, a, b := r.guest(0), r.guest(1), r.guest(2)
	r.run(p, b)
	b.returns("bind", ffaNotificationBind, []uint64{pair(1, 2), 0, 1}, succeeds(0)...)
	b.leaves(ffaMsgWait)
	r.run(p, a)
	a.returns("set", ffaNotificationSet, []uint64{pair(1, 2), 2, 1}, succeeds(0)...)
	p.raised(irqs, "not yet", sgi{b.ID, 8})
	r.preempt(a)
	p.raised(irqs, "now", sgi{vcpu00, 9})
	r.run(p, a)
	r.preempt(a)
	p.raised(irqs, "once")
}

// send2 writes a message of version 1.2 into the TX buffer.
func (g *guest) send2(m wire.Message, payload string) {
	tx := g.rig.page(txOf(int(g.ID.VM)))
	m.Encode(tx, v12)
	copy(tx[m.Offset:], payload)
}

func TestIndirectMessageIsCopiedAndNotified(t *testing.T) {
	for _, c := range []struct {
		receiver wire.Version
		offset   int
	}{{v11, 24}, {v12, 40}} {
		r, irqs := newNotifyRig(t, func(cfg *Config) {
			cfg.Partitions[0].Endpoint.Version = c.receiver
			cfg.Partitions[1].Secure = true
		}, 1, 1)
		p, a := r.guest(0), r.guest(1)
		p.returns("map", ffaRXTXMap, []uint64{txOf(0), rxOf(0), 1}, succeeds(0)...)
		r.run(p, a)
		a.returns("map", ffaRXTXMap, []uint64{txOf(1), rxOf(1), 1}, succeeds(0)...)
		a.send2(wire.Message{Offset: 100, Sender: 0x8001, Receiver: 1, Size: 5}, "hello")
		a.returns("send", ffaMsgSend2, nil, succeeds(0)...)
		p.raised(irqs, "RX full", sgi{vcpu00, 8})
		a.denies("send to a full buffer", busy, ffaMsgSend2)
		got := r.page(rxOf(0))
		m, _ := wire.DecodeMessage(got, c.receiver)
		if want := (wire.Message{Offset: uint32(c.offset), Sender: 0x8001, Receiver: 1, Size: 5}); m != want {
			t.Errorf("header %+v, want %+v", m, want)
		}
		if !bytes.Equal(got[c.offset:][:5], []byte("hello")) {
			t.Errorf("message %q", got[c.offset:][:5])
		}
		p.denies("release of what was not noticed", denied, ffaRXRelease)
		p.returns("get of the VMs'", ffaNotificationGet, []uint64{1, 10}, succeeds(0, 0, 0, 0, 0, 0)...)
		p.returns("get", ffaNotificationGet, []uint64{1, 15}, succeeds(0, 0, 0, 0, 1, 0)...)
		p.returns("release", ffaRXRelease, nil, succeeds(0)...)
		a.returns("send again", ffaMsgSend2, nil, succeeds(0)...)
	}
}

func TestDeadVMIsNeitherNotifiedNorListed(t *testing.T) {
	r, raised := newNotifyRig(t, nil, 1, 1)
	p, a := r.guest(0), r.guest(1)
	r.run(p, a)
	a.returns("bind", ffaNotificationBind, []uint64{pair(0, 1), 0, 3}, succeeds(0)...)
	p.returns("set", ffaNotificationSet, []uint64{pair(0, 1), 0, 1}, succeeds(0)...)
	if out := r.core.Abort(&a.VCPU); out != ends {
		t.Fatalf("abort: %+v", out)
	}
	r.settle()
	raised.take()
	p.denies("set", denied, ffaNotificationSet, pair(0, 1), 0, 2)
	if got := raised.take(); len(got) != 0 {
		t.Errorf("raised %v", got)
	}
	p.returns("info", ffaNotificationInfoGet|hypercall.SMC64, nil, fid(ffaError), 0, 1<<32-9)
}

func TestIndirectMessageIsRefused(t *testing.T) {
	good := wire.Message{Offset: 40, Sender: 2, Receiver: 3, Size: 8}
	for _, c := range []struct {
		name string
		edit func(*wire.Message)
		w1   uint64
		w2   uint64
		want status
	}{
		{"in another's name", func(m *wire.Message) { m.Sender = 1 }, 0, 0, invalid},
		{"to oneself", func(m *wire.Message) { m.Receiver = 2 }, 0, 0, invalid},
		{"to nobody", func(m *wire.Message) { m.Receiver = 9 }, 0, 0, invalid},
		{"within the header", func(m *wire.Message) { m.Offset = 39 }, 0, 0, invalid},
		{"beyond the buffer", func(m *wire.Message) { m.Offset = 4097 }, 0, 0, invalid},
		{"that ends beyond the buffer", func(m *wire.Message) { m.Offset, m.Size = 4090, 7 }, 0, 0, invalid},
		{"of a size that wraps around", func(m *wire.Message) { m.Size = 1<<32 - 1 }, 0, 0, invalid},
		{"with flags", func(m *wire.Message) { m.Flags = 1 }, 0, 0, invalid},
		{"to a protocol that the receiver does not know", func(m *wire.Message) { m.UUID = wire.UUID{9} }, 0, 0, invalid},
		{"to a protocol that takes none", func(m *wire.Message) { m.UUID = wire.UUID{7} }, 0, 0, denied},
		{"with w1", nil, 1, 0, invalid},
		{"with w2", nil, 0, 2, invalid},
		{"to a VM without buffers", func(m *wire.Message) { m.Receiver = 4 }, 0, 0, busy},
		{"to a VM of version 1.0", func(m *wire.Message) { m.Receiver = 5 }, 0, 0, denied},
		{"to a VM that takes none", func(m *wire.Message) { m.Receiver = 6 }, 0, 0, denied},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := newNotifyRig(t, func(cfg *Config) {
				cfg.Partitions[4].Endpoint.Version = v10
				cfg.Partitions[5].Services = []Service{{Methods: wire.ReceivesDirect}}
				cfg.Partitions[2].Services = []Service{{wire.UUID{7}, wire.ReceivesDirect}, {wire.UUID{8}, wire.Indirect}}
			}, 1, 1, 1, 1, 1, 1)
			for _, vm := range []int{1, 2, 4, 5} {
				r.core.mapBuffers(&r.core.vms[vm], txOf(vm), rxOf(vm), 1)
			}
			p, a := r.guest(0), r.guest(1)
			r.run(p, a)
			a.send2(good, "payload!")
			m := good
			if c.edit != nil {
				c.edit(&m)
			}
			m.Encode(r.page(txOf(1)), v12)
			a.denies(c.name, c.want, ffaMsgSend2, c.w1, c.w2)
			a.send2(good, "payload!")
			a.returns("a good one", ffaMsgSend2, nil, succeeds(0)...)
		})
	}
}

func TestWaitEmptiesTheBufferOfWhatWasNoticed(t *testing.T) {
	r, _ := newNotifyRig(t, nil, 1, 1)
	p, a := r.guest(0), r.guest(1)
	for vm := range 2 {
		r.core.mapBuffers(&r.core.vms[vm], txOf(vm), rxOf(vm), 1)
	}
	m := wire.Message{Offset: 40, Sender: 1, Receiver: 2, Size: 1}
	r.waiting(1)
	p.send2(m, "x")
	p.returns("send", ffaMsgSend2, nil, succeeds(0)...)
	r.run(p, a)
	a.leaves(ffaMsgWait)
	p.denies("not noticed", busy, ffaMsgSend2)
	r.run(p, a)
	a.returns("get", ffaNotificationGet, []uint64{2, 15}, succeeds(0, 0, 0, 0, 0, 1)...)
	a.leaves(ffaMsgWait, 0, keepRX)
	p.denies("kept", busy, ffaMsgSend2)
	r.run(p, a)
	a.leaves(ffaMsgWait)
	p.returns("emptied", ffaMsgSend2, nil, succeeds(0)...)
}
