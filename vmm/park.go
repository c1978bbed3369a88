package vmm

import "sync"

// turnstile stands between the pCPUs and KVM_RUN. Whoever changes what KVM lets change only while no
// vCPU runs, such as the pending state of an SGI, parks the machine, does it, and resumes.
type turnstile struct {
	mu      sync.Mutex
	changed sync.Cond
	running int // pCPUs past the turnstile
	closed  int // park calls without their resume
}

func (t *turnstile) init() { t.changed.L = &t.mu }

// enter waits while the machine is parked and then counts the pCPU as running.
func (t *turnstile) enter() {
	t.mu.Lock()
	for t.closed > 0 {
		t.changed.Wait()
	}
	t.running++
	t.mu.Unlock()
}

// leave counts the pCPU as no longer running.
func (t *turnstile) leave() {
	t.mu.Lock()
	t.running--
	t.changed.Broadcast()
	t.mu.Unlock()
}

// park gets every vCPU of the machine out of KVM_RUN and keeps it out until resume. It must not be
// called by a pCPU.
func (m *Machine) park() {
	t := &m.gate
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed++
	for _, p := range m.pcpus {
		p.request(reqPark)
	}
	for t.running > 0 {
		t.changed.Wait()
	}
}

// resume undoes one park.
func (m *Machine) resume() {
	m.gate.mu.Lock()
	m.gate.closed--
	m.gate.changed.Broadcast()
	m.gate.mu.Unlock()
}
