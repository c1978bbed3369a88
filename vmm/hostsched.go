package vmm

import (
	"sync"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/vmm/hostsched"
)

// hostSched keeps PV_SCHED's flags while the host's scheduler takes pCPUs away and gives them back. The
// kernel writes the flags, so their pages become ones that it shares with hfvmm. They stay that: a
// page with a flag never changes hands.
type hostSched struct {
	m       *Machine
	tracker *hostsched.Tracker

	mu    sync.Mutex
	pages map[uint64]int // IPA of a page → number among the shared ones
}

// sharedPages is how many pages with flags there may be: room for each vCPU to have its flag in another
// page, and to move it a few times, as a guest does that boots again without a reset.
func sharedPages(vcpus int) int { return 16 + 4*vcpus }

// followHost makes PV_SCHED's flags follow the host's scheduler if that can be traced.
func (m *Machine) followHost() {
	vcpus := 0
	for i, v := range m.vms {
		if m.cfg.PVSched.serves(i) {
			vcpus += len(v.vcpus)
		}
	}
	if vcpus == 0 {
		return
	}
	t, err := hostsched.Open(m.cfg.CPUs, sharedPages(vcpus))
	if err != nil {
		m.log.Warn("PV_SCHED does not tell when the host takes a CPU away, so the primary is told that it has no such flags", "because", err)
		return
	}
	m.host = &hostSched{m: m, tracker: t, pages: map[uint64]int{}}
}

// share makes the page of ipa a shared one and reports whether it is.
func (h *hostSched) share(ipa uint64) bool {
	page := ipa &^ (pageSize - 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, done := h.pages[page]; done {
		return true
	}
	n := len(h.pages)
	bytes := h.m.ram.Slice(page, pageSize)
	h.m.park() // nobody may write while it is copied
	defer h.m.resume()
	was := append([]byte(nil), bytes...)
	if err := h.tracker.Map(n, bytes); err != nil {
		h.m.log.Warn("no flag of PV_SCHED any more", "ipa", hex(ipa), "error", err)
		return false
	}
	copy(bytes, was)
	h.pages[page] = n
	return true
}

// place returns the place of a flag in a page that is shared.
func (h *hostSched) place(ipa uint64) hostsched.Place {
	h.mu.Lock()
	defer h.mu.Unlock()
	return hostsched.At(h.pages[ipa&^(pageSize-1)], int(ipa%pageSize))
}

// Handle implements pvsched.Tracker.
func (h *hostSched) Handle(v *hypercall.VCPU, ipa uint64) (pcpu int, handle uint32) {
	for i, p := range h.m.pcpus {
		if &p.cur.Load().VCPU == v {
			pcpu = i
		}
	}
	return pcpu, uint32(h.place(ipa))
}

// Track implements pvsched.Tracker.
func (h *hostSched) Track(pcpu int, handle uint32) { h.tracker.Set(pcpu, hostsched.Place(handle)) }

// follow tells the tracker which thread a pCPU is. It is called by that thread.
func (h *hostSched) follow(p *pcpu) error {
	if h == nil {
		return nil
	}
	return h.tracker.Follow(int(p.home.ID.Index), gettid())
}

func (h *hostSched) close() error {
	if h == nil {
		return nil
	}
	return h.tracker.Close()
}
