package kvmarm

import "fmt"

const deviceVGICv3 = 7 // KVM_DEV_TYPE_ARM_VGIC_V3

// Sizes of the register windows of a vGICv3, in bytes.
const (
	VGICDistSize   = 0x1_0000 // the distributor
	VGICRedistSize = 0x2_0000 // one redistributor; there is one for each vCPU, side by side
)

// VGIC is the GICv3 of a VM, in the kernel.
type VGIC struct {
	vm *VM
	fd int
}

// CreateVGICv3 gives the VM a GICv3 (Linux Documentation/virt/kvm/devices/arm-vgic-v3.rst) with its distributor at distIPA and the redistributors of vcpus
// vCPUs from redistIPA up, both 64 KiB aligned. irqs is the number of interrupts including the 32 that
// are private: a multiple of 32 from 64 to 1024, so that the greatest INTID is irqs-1, but at most 1019.
//
// All vCPUs of the VM must exist; creating one afterwards fails with EBUSY. ENODEV says that the host's
// GIC cannot do it.
func (vm *VM) CreateVGICv3(distIPA, redistIPA uint64, vcpus, irqs int) (*VGIC, error) {
	d := createDevice{kind: deviceVGICv3}
	if err := pass(vm.fd, reqCreateDevice, &d, "vGICv3"); err != nil {
		return nil, err
	}
	g := &VGIC{vm: vm, fd: int(d.fd)}
	if err := g.setUp(distIPA, redistIPA, vcpus, irqs); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

func (g *VGIC) setUp(distIPA, redistIPA uint64, vcpus, irqs int) error {
	steps := []struct {
		group       uint32
		attr, value uint64
		what        string
	}{
		{groupVGICAddr, attrVGICDist, distIPA, "vGIC distributor at IPA"},
		{groupVGICAddr, attrVGICRedistRegion, redistIPA | uint64(vcpus)<<52, "vGIC redistributors, count<<52|IPA"},
		{groupVGICNrIRQs, 0, uint64(irqs), "number of vGIC interrupts"},
		{groupVGICCtrl, attrVGICInit, 0, "initialising the vGIC"},
	}
	for _, s := range steps {
		value := s.value
		if err := g.access(reqSetDeviceAttr, s.group, s.attr, &value, fmt.Sprintf("%s %#x", s.what, value)); err != nil {
			return err
		}
	}
	return nil
}

// Close releases the device. The VM keeps its interrupt controller.
func (g *VGIC) Close() error { return closeFD(g.fd) }

// Dist reads the 32-bit register at offset of the distributor. No vCPU of the VM may be in KVM_RUN, nor
// have a register accessed meanwhile (EBUSY).
func (g *VGIC) Dist(offset uint32) (uint32, error) {
	var v uint64
	err := g.access(reqGetDeviceAttr, groupVGICDist, uint64(offset), &v, fmt.Sprintf("distributor register %#x", offset))
	return uint32(v), err
}

// Redist reads the 32-bit register at offset of the redistributor of a vCPU, named by its id. No vCPU
// of the VM may be in KVM_RUN (EBUSY). Registers of pending state read as the latch, not the line.
func (g *VGIC) Redist(vcpu int, offset uint32) (uint32, error) {
	var v uint64
	err := g.access(reqGetDeviceAttr, groupVGICRedist, redistAttr(vcpu, offset), &v, "")
	return uint32(v), nameRedist(err, vcpu, offset)
}

// SetRedist writes what Redist reads. A write to GICR_ISPENDR0 sets the latches of all 32 interrupts to
// value: read, modify, write, and make an SGI pending in this way.
func (g *VGIC) SetRedist(vcpu int, offset, value uint32) error {
	v := uint64(value)
	return nameRedist(g.access(reqSetDeviceAttr, groupVGICRedist, redistAttr(vcpu, offset), &v, ""), vcpu, offset)
}

// access carries *v to or from the kernel by way of the scratch page.
func (g *VGIC) access(r request, group uint32, attrID uint64, v *uint64, what string) error {
	g.vm.mu.Lock()
	defer g.vm.mu.Unlock()
	p := &g.vm.scratch.value
	*p = *v
	err := attr(g.fd, r, group, attrID, p, what)
	*v = *p
	return err
}

// Offsets of registers for the SGIs and PPIs in a redistributor's window: a bit for each.
const (
	GICRISENABLER0 = 0x1_0100 // enabled
	GICRISPENDR0   = 0x1_0200 // pending
)

func redistAttr(vcpu int, offset uint32) uint64 { return MPIDR(vcpu)<<32 | uint64(offset) }

// nameRedist says in an error which register it was. Nothing is spent on that if there is none.
func nameRedist(err error, vcpu int, offset uint32) error {
	if e, ok := err.(*Error); ok {
		e.What = fmt.Sprintf("redistributor register %#x of vCPU %d", offset, vcpu)
	}
	return err
}
