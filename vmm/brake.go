package vmm

import (
	"sync"
	"sync/atomic"
)

// brake keeps every vCPU out of KVM_RUN while memory changes hands. A pCPU puts it on, in the middle of a
// call, with the ffa core locked. So a pCPU counts as moving from just before KVM_RUN to just after it and no
// longer: one that serves an exit meanwhile, or waits for the core, is waited for by nobody.
type brake struct {
	on      atomic.Bool
	mu      sync.Mutex
	changed sync.Cond // on went off, or a pCPU stopped moving while it was on
}

func (b *brake) init() { b.changed.L = &b.mu }

// run runs v until KVM_RUN ends, once the brake is off. The owner says that it moves before it looks at
// the brake; who puts the brake on does it the other way round. One of the two sees the other.
func (p *pcpu) run(v *vcpu) error {
	b := &p.m.brake
	for p.moving.Store(true); b.on.Load(); p.moving.Store(true) {
		b.stopped(p)
		b.wait()
	}
	err := v.kvm.Run()
	p.moving.Store(false)
	if b.on.Load() {
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

// wait waits until the brake is off.
func (b *brake) wait() {
	b.mu.Lock()
	for b.on.Load() {
		b.changed.Wait()
	}
	b.mu.Unlock()
}

// halt puts the brake on and waits until no vCPU is in KVM_RUN. One caller at a time, which is not itself
// in KVM_RUN; undone by release.
func (m *Machine) halt() {
	b := &m.brake
	b.mu.Lock()
	b.on.Store(true)
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

// release takes the brake off.
func (m *Machine) release() {
	m.brake.mu.Lock()
	m.brake.on.Store(false)
	m.brake.changed.Broadcast()
	m.brake.mu.Unlock()
}
