package vmm

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
)

// brake keeps every vCPU out of KVM_RUN while something changes that no vCPU may see half done, or that
// KVM lets nobody change while a vCPU runs, such as the pending state of an SGI. A pCPU may put it on in
// the middle of a call, with the ffa core locked. So a pCPU counts as moving from just before KVM_RUN to
// just after it and no longer: one that serves an exit meanwhile, or waits for the core, is waited for by
// nobody.
type brake struct {
	holders atomic.Int32 // park calls without their resume
	mu      sync.Mutex
	changed sync.Cond // the last holder let go, a pCPU stopped moving or came to rest, or the machine ended
	ended   bool      // nobody waits any more
}

func (b *brake) init() { b.changed.L = &b.mu }

// run runs v until KVM_RUN ends, once the brake is off. The owner says that it moves before it looks at
// the brake; who puts the brake on does it the other way round. One of the two sees the other.
func (p *pcpu) run(v *vcpu) error {
	b := &p.m.brake
	for p.moving.Store(true); b.holders.Load() > 0; p.moving.Store(true) {
		b.stopped(p)
		if err := v.finish(); err != nil {
			return err
		}
		if !b.wait(p) {
			return syscall.EINTR
		}
	}
	p.runs.Add(1)
	err := v.kvm.Run()
	p.moving.Store(false)
	if b.holders.Load() > 0 {
		b.stopped(p)
	}
	return err
}

// stopped tells who put the brake on that p no longer moves.
func (b *brake) stopped(p *pcpu) {
	b.mu.Lock()
	p.moving.Store(false)
	b.changed.Broadcast()
	b.mu.Unlock()
}

// wait lets p rest until the brake is off, and reports whether it is: it stays on if the machine ends.
func (b *brake) wait(p *pcpu) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.resting = true
	b.changed.Broadcast()
	for b.holders.Load() > 0 && !b.ended {
		b.changed.Wait()
	}
	p.resting = false
	return b.holders.Load() == 0
}

// rest says that p does nothing until it is woken.
func (b *brake) rest(p *pcpu) {
	b.mu.Lock()
	p.resting = true
	b.changed.Broadcast()
	b.mu.Unlock()
}

// end lets nobody wait any more, and nobody run.
func (b *brake) end() {
	b.mu.Lock()
	b.ended = true
	b.changed.Broadcast()
	b.mu.Unlock()
}

// finish lets KVM finish an access of v to a device, without running v.
func (v *vcpu) finish() error {
	if !v.unfinished {
		return nil
	}
	v.unfinished = false
	v.kvm.SetImmediateExit(true) // until the next KVM_RUN has ended, for there may be a kick in it
	if err := v.kvm.Run(); err != syscall.EINTR {
		return err
	}
	return nil
}

// park gets every vCPU of the machine out of KVM_RUN and keeps it out until resume. The caller is no pCPU,
// or one that is not in KVM_RUN itself.
func (m *Machine) park() {
	b := &m.brake
	b.mu.Lock()
	b.holders.Add(1)
	for _, p := range m.pcpus {
		if p.moving.Load() {
			p.kick(p.cur.Load())
		}
		for p.moving.Load() {
			b.changed.Wait()
		}
	}
	b.mu.Unlock()
}

// resume undoes one park.
func (m *Machine) resume() {
	m.brake.mu.Lock()
	m.brake.holders.Add(-1)
	m.brake.changed.Broadcast()
	m.brake.mu.Unlock()
}

// gicTries is how often an access to the GIC is tried.
const gicTries = 10_000

// accessGIC does an access to the state of the GIC, in a parked machine. KVM refuses it not only while a
// vCPU is in KVM_RUN but for as long as anybody reads or writes a register of one, which is short.
func accessGIC(access func() error) (err error) {
	for range gicTries {
		if err = access(); !errors.Is(err, syscall.EBUSY) {
			return err
		}
		runtime.Gosched()
	}
	return err
}
