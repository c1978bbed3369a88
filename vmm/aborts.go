package vmm

import (
	"fmt"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
)

// abort ends the VM of v, which touched an address that is not its own.
func (p *pcpu) abort(v *vcpu, ipa uint64, access string) hypercall.Outcome {
	if !p.m.core.Dead(int(v.ID.VM)) { // else it has no memory any more
		p.m.log.Error("secondary aborted", "vm", v.vm.name, "vcpu", v.ID.Index, "pc", hex(v.get(kvmarm.RegPC)),
			"address", hex(ipa), "access", access)
	}
	return p.m.core.Abort(&v.VCPU)
}

// ended gets the other vCPUs of a VM that is no more out of guest code, and drops what is kept for it.
func (p *pcpu) ended(vm *vm) {
	if b := p.m.builtin; b != nil {
		b.abort(vm)
	}
	if vm.sched != nil {
		for _, c := range vm.vcpus {
			vm.sched.Drop(&c.VCPU)
		}
	}
	vm.dead.Store(true)
	for _, q := range p.m.pcpus {
		if q != p && q.cur.Load().vm == vm {
			q.request(reqPreempt)
		}
	}
}

// System registers that tell of the last exception taken to EL1 (Arm DDI0487 D24.2).
var (
	regESREL1 = kvmarm.SysReg(3, 0, 5, 2, 0)
	regFAREL1 = kvmarm.SysReg(3, 0, 6, 0, 0)
)

// Fields of the syndrome of an abort (Arm DDI0487, ESR_EL1): the class, without the bit that tells a lower
// level from the same one, and the fault status, which is 0b01xxxx for synchronous external aborts.
const (
	esrClass      = 0x3e << 26
	esrFetchAbort = 0x20 << 26
	esrDataAbort  = 0x24 << 26
	esrStatus     = 0x38
	esrExternal   = 0x10
)

// Where a secondary fetches an instruction from memory that is not its own, or keeps its translation tables
// there, KVM does not exit: it injects an external abort. Nothing else in a secondary's machine makes one,
// so the syndrome of its last exception gives it away afterwards, whatever its own vectors made of that,
// and if they are not its own either, it does nothing but fault any more. externallyAborted ends the VM
// if v, which has just stopped, was aborted so.
func (p *pcpu) externallyAborted(v *vcpu) (out hypercall.Outcome, aborted bool) {
	if !v.ran {
		return out, false
	}
	esr := v.get(regESREL1)
	class := esr & esrClass
	if esr&esrStatus != esrExternal || class != esrFetchAbort && class != esrDataAbort {
		return out, false
	}
	what := "fetch"
	if class == esrDataAbort {
		what = "table walk"
	}
	if !p.m.core.Dead(int(v.ID.VM)) {
		p.m.log.Error("secondary aborted", "vm", v.vm.name, "vcpu", v.ID.Index, "pc", hex(v.get(kvmarm.RegELREL1)),
			"address", hex(v.get(regFAREL1)), "access", what)
	}
	return p.m.core.Abort(&v.VCPU), true
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
