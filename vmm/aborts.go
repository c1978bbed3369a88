package vmm

import (
	"fmt"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
)

// abort ends the VM of v, which touched an address that is not its own.
func (p *pcpu) abort(v *vcpu, ipa uint64, access string) hypercall.Outcome {
	p.m.log.Error("secondary aborted", "vm", v.vm.name, "vcpu", v.ID.Index, "pc", hex(v.get(kvmarm.RegPC)),
		"address", hex(ipa), "access", access)
	return p.abortVM(v)
}

// abortVM ends v's VM and gets its other vCPUs out of guest code.
func (p *pcpu) abortVM(v *vcpu) hypercall.Outcome {
	out := p.m.core.Abort(&v.VCPU)
	if b := p.m.builtin; b != nil {
		b.abort(v.vm)
	}
	if s := v.vm.sched; s != nil {
		for _, c := range v.vm.vcpus {
			s.Drop(&c.VCPU)
		}
	}
	for _, q := range p.m.pcpus {
		if q != p && q.cur.Load().vm == v.vm {
			q.request(reqPreempt)
		}
	}
	return out
}

// System registers that tell of the last exception taken to EL1 (Arm DDI0487 D19.2).
var (
	regESREL1  = kvmarm.SysReg(3, 0, 5, 2, 0)
	regVBAREL1 = kvmarm.SysReg(3, 0, 12, 0, 0)
)

const (
	// vectorSameELSPx is the vector of a synchronous exception of EL1 with its own stack.
	vectorSameELSPx = 0x200
	// The syndrome of an instruction fetch at EL1 that ended in an external abort: EC and IFSC.
	esrMask       = 0x3f<<26 | 0x3f
	esrFetchAbort = 0x21<<26 | 0x10
)

// fetchAborts reports whether v can do nothing any more but fault: it fetches its exception vector from
// memory that it does not own, for which KVM injects an abort whose vector that is.
func (v *vcpu) fetchAborts() bool {
	pc := v.get(kvmarm.RegPC)
	return pc == v.get(kvmarm.RegELREL1) && pc == v.get(regVBAREL1)+vectorSameELSPx &&
		v.get(regESREL1)&esrMask == esrFetchAbort
}

// access names a data access.
func access(write bool) string {
	if write {
		return "write"
	}
	return "read"
}

// hex prints as a hexadecimal number.
type hex uint64

func (h hex) String() string { return fmt.Sprintf("%#x", uint64(h)) }
