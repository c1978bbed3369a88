package scheduler

import (
	"math/bits"
	"slices"
)

// Policy says which of the vCPUs that are ready runs next.
type Policy uint8

// The policies.
const (
	// RoundRobin runs them in turn: whatever ends a run, the vCPU goes behind the others.
	RoundRobin Policy = iota
	// FIFO lets a vCPU run until it blocks. The next is the one with the lowest number, counted through
	// all secondaries. A vCPU that never blocks keeps others from the CPU, also those that it yields to.
	FIFO
)

// Policies are all policies, in the order of their values.
var Policies = [...]Policy{RoundRobin, FIFO}

func (p Policy) String() string { return [...]string{"rr", "fifo"}[p] }

// queue has the vCPUs that are ready.
type queue interface {
	add(v *vcpu)
	// take takes out the one to run next on a CPU, nil if there is none.
	take(cpu int) *vcpu
	empty() bool
}

func (p Policy) newQueue(vcpus []*vcpu) queue {
	if p == FIFO {
		return &numbered{all: vcpus, ready: make([]uint64, (len(vcpus)+63)/64)}
	}
	return &ring{vs: make([]*vcpu, 0, len(vcpus))}
}

// ring is a queue in the order of arrival. A CPU prefers a vCPU that it ran last, because KVM has work with
// those that come from another thread.
type ring struct{ vs []*vcpu }

func (q *ring) add(v *vcpu) { q.vs = append(q.vs, v) }
func (q *ring) empty() bool { return len(q.vs) == 0 }

func (q *ring) take(cpu int) *vcpu {
	if q.empty() {
		return nil
	}
	n := max(0, slices.IndexFunc(q.vs, func(v *vcpu) bool { return v.cpu == cpu }))
	v := q.vs[n]
	q.vs = slices.Delete(q.vs, n, n+1)
	return v
}

// numbered is a queue in the order of numbers: a bit for each vCPU.
type numbered struct {
	all   []*vcpu
	ready []uint64
	n     int
}

func (q *numbered) add(v *vcpu) {
	q.ready[v.number/64] |= 1 << (v.number % 64)
	q.n++
}

func (q *numbered) empty() bool { return q.n == 0 }

func (q *numbered) take(int) *vcpu {
	for i, word := range q.ready {
		if word != 0 {
			q.ready[i] &= word - 1
			q.n--
			return q.all[i*64+bits.TrailingZeros64(word)]
		}
	}
	return nil
}
