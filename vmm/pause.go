package vmm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hfvmm/hfvmm/vmm/api"
)

// pause is whether somebody outside has stopped the machine.
type pause struct {
	mu sync.Mutex  // held while the machine is being paused or resumed, and while its paused state is used
	on atomic.Bool // changed with mu held
}

// errEnded is what becomes of a request to a machine that has ended meanwhile.
var errEnded = api.Conflict(errors.New("the machine has ended"))

// errNotPaused refuses what needs a machine that stands still.
var errNotPaused = api.Conflict(errors.New("the machine runs; pause it first"))

// Pause stops every vCPU of every VM between two instructions, with what it did last finished: the result of
// a call in its registers, an access to a device completed. A paused machine can be paused again. Time goes
// on in it: the system counter counts, timers that expire and interrupts that devices raise are
// pending when it is resumed; only the watchdog stands still. The context bounds how long a vCPU may take to stop.
func (m *Machine) Pause(ctx context.Context) error {
	m.pause.mu.Lock()
	defer m.pause.mu.Unlock()
	if m.pause.on.Load() {
		return nil
	}
	m.park()
	if err := m.settle(ctx); err != nil {
		m.resume()
		return err
	}
	m.watchdog.pause()
	m.pause.on.Store(true)
	return nil
}

// Resume undoes Pause. A machine that runs may be resumed.
func (m *Machine) Resume() {
	m.pause.mu.Lock()
	defer m.pause.mu.Unlock()
	if m.pause.on.Swap(false) {
		m.watchdog.resume()
		m.resume()
	}
}

// settle waits, with the brake on, until every pCPU rests. One that was to be powered on comes to the brake
// first.
func (m *Machine) settle(ctx context.Context) error {
	b := &m.brake
	stop := context.AfterFunc(ctx, func() {
		b.mu.Lock()
		b.changed.Broadcast()
		b.mu.Unlock()
	})
	defer stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		busy := m.busy()
		switch {
		case b.ended:
			return errEnded
		case busy == nil:
			return nil
		case ctx.Err() != nil:
			return api.Conflict(fmt.Errorf("%v does not stop: %w", busy.home, context.Cause(ctx)))
		}
		b.changed.Wait()
	}
}

// busy returns a pCPU that does not rest, or nil. The brake is locked.
func (m *Machine) busy() *pcpu {
	for _, p := range m.pcpus {
		if !p.resting {
			return p
		}
	}
	return nil
}

// paused calls f if the machine is paused, which it stays meanwhile.
func (m *Machine) paused(f func() error) error {
	m.pause.mu.Lock()
	defer m.pause.mu.Unlock()
	if !m.pause.on.Load() {
		return errNotPaused
	}
	return f()
}
