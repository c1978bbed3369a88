package vmm

import (
	"cmp"
	"slices"

	"github.com/hfvmm/hfvmm/hypercall"
)

// FF-A partitions that run in place of a vCPU of the primary: before that starts, and as it goes off.

// maxInitRuns is how often partitions get the CPU to initialise, or to say that it may go off, before the primary goes on
// without.
const maxInitRuns = 4000

// initialize runs the partitions that have a manifest, in their order, until each waits for the first time.
func (p *pcpu) initialize() bool {
	for _, i := range p.m.initOrder() {
		done, goesOn := p.runPartitions(func() hypercall.Outcome { return p.m.core.Initialize(&p.home.VCPU, i) })
		if !goesOn {
			return false
		}
		if !done {
			p.m.log.Warn("a partition has not initialised in time; the primary starts without", "vm", p.m.vms[i].name)
		}
	}
	return true
}

// runPartitions runs vCPUs of partitions in place of home, for as long as next says which. It is done if there are no
// more, and otherwise gives up; if goesOn is false, the pCPU must end.
func (p *pcpu) runPartitions(next func() hypercall.Outcome) (done, goesOn bool) {
	p.early = true
	defer func() { p.early = false }()
	for range maxInitRuns {
		out := next()
		if out.Action != hypercall.Enter {
			return true, true
		}
		if !p.apply(out) {
			return false, false
		}
		for p.lent() {
			if !p.step() {
				return false, false
			}
		}
	}
	return false, true
}

// powerOff serves CPU_OFF of home: partitions that want to be told are, and may refuse.
func (p *pcpu) powerOff() (out hypercall.Outcome, goesOn bool) {
	agreed := true
	done, goesOn := p.runPartitions(func() (out hypercall.Outcome) {
		out, agreed = p.m.core.PowerOff(&p.home.VCPU)
		return out
	})
	switch {
	case !goesOn:
		return out, false
	case !done:
		p.m.log.Warn("a partition takes too long over a CPU that goes off, which goes without", "cpu", p.home.ID.Index)
	case !agreed:
		p.home.Regs.SetX(0, hypercall.PSCIDenied.X())
		return out, true
	}
	return p.home.vm.table.Dispatch(&p.home.VCPU, hypercall.PSCICPUOff, hypercall.HVC), true
}

// initOrder are the VMs that have a manifest, those without an order of their own last.
func (m *Machine) initOrder() (vms []int) {
	for i := range m.cfg.Secondaries {
		if m.cfg.Secondaries[i].Manifest != nil {
			vms = append(vms, 1+i)
		}
	}
	order := func(vm int) uint { return uint(m.cfg.Secondaries[vm-1].Manifest.BootOrder) } // -1 is the last
	slices.SortStableFunc(vms, func(a, b int) int { return cmp.Compare(order(a), order(b)) })
	return vms
}
