package vmm

import "github.com/hfvmm/hfvmm/kvmarm"

// The affinity of vCPUs. VMs with a GIC have what KVM gives them, 16 vCPUs to a cluster, which is as far as an SGI reaches. In
// others a vCPU's index is its affinity, as under Hafnium: PSCI and SDEI take that.

// regMPIDR is MPIDR_EL1, in which bit 31 is always set.
var regMPIDR = kvmarm.SysReg(3, 0, 0, 0, 5)

const mpidrRES1 = 1 << 31

// nameByIndex sets MPIDR_EL1 of v, which has just been reset, where KVM's is not its index.
func (v *vcpu) nameByIndex() {
	if index := uint64(v.ID.Index); v.vm.gic == nil && kvmarm.MPIDR(int(index)) != index {
		v.set(regMPIDR, mpidrRES1|index)
	}
}
