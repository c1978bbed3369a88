package kvmarm

// The attribute of a VM that filters hypercalls: KVM_ARM_VM_SMCCC_CTRL, KVM_ARM_VM_SMCCC_FILTER
// (Documentation/virt/kvm/devices/vm.rst §6).
const (
	groupSMCCC      = 0
	attrSMCCCFilter = 0
)

// The groups and attributes of a vGICv3 (Documentation/virt/kvm/devices/arm-vgic-v3.rst).
const (
	groupVGICAddr   = 0
	groupVGICDist   = 1
	groupVGICNrIRQs = 3
	groupVGICCtrl   = 4
	groupVGICRedist = 5

	attrVGICDist         = 2
	attrVGICRedistRegion = 5
	attrVGICInit         = 0
)

// attr gets or sets attribute attr of group on fd, whose value is *v, in the scratch page. The caller
// holds vm.mu.
func attr[T any](fd int, r request, group uint32, attr uint64, v *T, what string) error {
	return pass(fd, r, &deviceAttr{group: group, attr: attr, addr: offHeapAddress(v)}, what)
}
