package vmm

import (
	"sync"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/vmm/hostsched"
)

// hostSched keeps PV_SCHED's flags while the host's scheduler takes pCPUs away and gives them back. The
// kernel writes the flags, so for as long as a page has one it is a page that the kernel shares with hfvmm.
type hostSched struct {
	m       *Machine
	tracker *hostsched.Tracker

	mu     sync.Mutex
	pages  map[uint64]int // IPA of a page → number among the shared ones
	free   []int          // numbers that no page has
	buffer [pageSize]byte
}

// flagsPerVCPU is how many pages a vCPU may need at once: one for its flag and one for that which takes its place.
const flagsPerVCPU = 2

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
	pages := flagsPerVCPU * vcpus
	t, err := hostsched.Open(m.cfg.CPUs, pages)
	if err != nil {
		m.log.Warn("PV_SCHED does not tell when the host takes a CPU away, so the primary is told that it has no such flags", "because", err)
		return
	}
	m.host = &hostSched{m: m, tracker: t, pages: map[uint64]int{}}
	for n := range pages {
		m.host.free = append(m.host.free, n)
	}
}

// share makes a page, of which the IPA is given, a shared one and reports whether it is.
func (h *hostSched) share(page uint64) bool {
	if h == nil {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, done := h.pages[page]; done {
		return true
	}
	last := len(h.free) - 1
	if last < 0 {
		return false
	}
	n := h.free[last]
	if !h.replace(page, func(bytes []byte) error { return h.tracker.Map(n, bytes) }) {
		return false
	}
	h.pages[page], h.free = n, h.free[:last]
	return true
}

// unshare makes a page that has no flag any more one like the others, and reports whether it is.
func (h *hostSched) unshare(page uint64) bool {
	if h == nil {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.tracker.Settle(); err != nil {
		h.m.log.Warn("a page keeps its place in memory for good, though it has no flag of PV_SCHED any more", "ipa", hex(page), "error", err)
		return false
	}
	if !h.replace(page, func([]byte) error { return h.m.ram.restore(page, pageSize) }) {
		return false
	}
	h.free = append(h.free, h.pages[page])
	delete(h.pages, page)
	return true
}

// replace has a page mapped anew, with its contents kept.
func (h *hostSched) replace(page uint64, mapping func(bytes []byte) error) bool {
	bytes := h.m.ram.Slice(page, pageSize)
	h.m.park() // nobody may write while it is copied
	defer h.m.resume()
	copy(h.buffer[:], bytes)
	if err := mapping(bytes); err != nil {
		h.m.log.Warn("a page for flags of PV_SCHED cannot be mapped", "ipa", hex(page), "error", err)
		return false
	}
	copy(bytes, h.buffer[:])
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
