package ffa

import (
	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
)

// Partition discovery: one descriptor for each service of each partition.

// countOnly in w5 of FFA_PARTITION_INFO_GET asks for the number of descriptors alone, from version 1.1.
const countOnly = 1 << 0

func (s *ffa) partitionInfoGet(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	version := v.vm.version
	uuid := wire.UUIDOfWords([4]uint32{uint32(a[1]), uint32(a[2]), uint32(a[3]), uint32(a[4])})
	flags, size := a[5], wire.PartitionInfoSize(version)
	if version < v11 { // which has no flags
		flags = 0
	}
	count := s.countInfos(v.vm, uuid)
	if flags&^countOnly != 0 || count == 0 {
		putFFAStatus(&v.Regs, invalid)
		return hypercall.Outcome{}
	}
	if flags&countOnly != 0 {
		putFFA(&v.Regs, ffaSuccess, 0, uint64(count), 0)
		return hypercall.Outcome{}
	}
	b := &v.vm.box
	switch {
	case b.rx == nil || b.state != boxEmpty:
		putFFAStatus(&v.Regs, busy)
		return hypercall.Outcome{}
	case count*size > len(b.rx):
		putFFAStatus(&v.Regs, noMemory)
		return hypercall.Outcome{}
	}
	for i := range count {
		info := s.info(v.vm, uuid, i)
		info.Encode(b.rx[i*size:], version)
	}
	b.state = boxRead
	x3 := uint64(size)
	if version < v11 {
		x3 = 0
	}
	putFFA(&v.Regs, ffaSuccess, 0, uint64(count), x3)
	return hypercall.Outcome{}
}

// partitionInfoRegs returns descriptors in x3 to x17, from an index on.
func (s *ffa) partitionInfoRegs(v *vcpu, fn hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	version := v.vm.version
	uuid := wire.UUIDOfHalves(a[1], a[2])
	start, tag := wire.InfoRequest(a[3])
	count := s.countInfos(v.vm, uuid)
	switch {
	case start >= count:
		putFFAStatus(&v.Regs, invalid)
		return hypercall.Outcome{}
	case start > 0 && tag != wire.InfoTag:
		putFFAStatus(&v.Regs, retry)
		return hypercall.Outcome{}
	}
	var x [hypercall.NumRegs]uint64
	per := wire.PartitionInfoSize(version) / 8
	n := min(wire.InfoRegs(version), count-start)
	for i := range n {
		info := s.info(v.vm, uuid, start+i)
		info.EncodeRegs(x[3+i*per:], version)
	}
	x[0], x[2] = uint64(ffaSuccess|hypercall.SMC64), wire.InfoWord(count-1, start+n-1, version)
	for i := range x {
		v.Regs.SetX(i, x[i])
	}
	return hypercall.Outcome{}
}

// countInfos is how many descriptors match a UUID, for the nil one of all.
func (s *ffa) countInfos(asks *partition, uuid wire.UUID) (n int) {
	for i := range s.vms {
		n += s.infosOf(asks, &s.vms[i], uuid)
	}
	return n
}

func (s *ffa) infosOf(asks, p *partition, uuid wire.UUID) (n int) {
	if uuid == (wire.UUID{}) {
		if asks != p || s.listsSelf(asks) {
			n = len(p.ffa.Services)
		}
		return n
	}
	for i := range p.ffa.Services {
		if p.ffa.Services[i].UUID == uuid {
			n++
		}
	}
	return n
}

// listsSelf reports whether p finds itself among all partitions. Linux drivers of version 1.1 fail over that, and those
// that learn of their notifications by the schedule receiver interrupt then lose them; but they fail too if they find
// nobody.
func (s *ffa) listsSelf(p *partition) bool {
	bySRI := p.ffa.SRI != 0 && p.ffa.NPI == 0
	return len(s.vms) == 1 || p.version != v11 && !bySRI
}

// info is descriptor n of those that match a UUID.
func (s *ffa) info(asks *partition, uuid wire.UUID, n int) wire.PartitionInfo {
	for i := range s.vms {
		p := &s.vms[i]
		k := s.infosOf(asks, p, uuid)
		if n >= k {
			n -= k
			continue
		}
		if uuid == (wire.UUID{}) {
			return s.service(p, n, p.ffa.Services[n].UUID)
		}
		for j := range p.ffa.Services {
			if p.ffa.Services[j].UUID != uuid {
				continue
			}
			if n == 0 {
				return s.service(p, j, wire.UUID{})
			}
			n--
		}
	}
	panic("ffa: no such partition information")
}

// service describes a service of p.
func (s *ffa) service(p *partition, n int, uuid wire.UUID) wire.PartitionInfo {
	return wire.PartitionInfo{
		ID: p.ffa.ID, VCPUs: uint16(s.vcpuCount(p)), UUID: uuid, Version: p.version,
		Properties: p.ffa.Services[n].Methods | p.properties(),
	}
}

// properties are those of all services of a partition.
func (p *partition) properties() uint32 {
	properties := uint32(wire.AArch64)
	if p.notifiable() {
		properties |= wire.ReceivesNotifications
	}
	if p.ffa.WantsCreated {
		properties |= wire.WantsVMCreated
	}
	if p.ffa.WantsDestroyed {
		properties |= wire.WantsVMDestroyed
	}
	return properties
}
