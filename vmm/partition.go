package vmm

import (
	"fmt"
	"slices"

	"github.com/hfvmm/hfvmm/ffa"
	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/vmm/boot"
)

// FF-A partitions that have a manifest: what is refused, and how they are loaded.

// checkPartitions refuses manifests that do not fit the rest of cfg.
func checkPartitions(cfg *Config) error {
	for i := range cfg.Secondaries {
		s := &cfg.Secondaries[i]
		switch f := s.Manifest; {
		case cfg.ABI != FFA && (f != nil || s.Secure):
			return fmt.Errorf("%w: secondary %s is an FF-A partition; give --abi ffa", ErrUsage, s.Name)
		case f == nil:
		case s.GIC:
			return fmt.Errorf("%w: secondary %s has a manifest and a GIC; partitions with a manifest have none, leave gic=v3 out", ErrUsage, s.Name)
		case f.Contexts != s.VCPUs:
			return fmt.Errorf("%w: secondary %s has %d vCPUs and its manifest an execution-ctx-count of %d; give both the same", ErrUsage, s.Name, s.VCPUs, f.Contexts)
		case len(s.UUIDs) > 0:
			return fmt.Errorf("%w: secondary %s has UUIDs of its own and a manifest, which has some; give one of the two", ErrUsage, s.Name)
		case slices.ContainsFunc(f.Regions, func(r boot.PartitionRegion) bool { return r.End() > s.Memory }):
			return fmt.Errorf("%w: secondary %s has memory regions in its manifest beyond its %d bytes of memory; give it more, or move them", ErrUsage, s.Name, s.Memory)
		case f.ID == managerID:
			return fmt.Errorf("%w: secondary %s has the id %#x in its manifest, which is the partition manager's; give it another", ErrUsage, s.Name, f.ID)
		case f.ID != 0 && f.Secure != (f.ID>>15 != 0):
			return fmt.Errorf("%w: secondary %s has the id %#x in its manifest; bit 15 belongs to partitions of S-EL1, and to those alone", ErrUsage, s.Name, f.ID)
		}
	}
	if cfg.ABI != FFA {
		return nil
	}
	return checkIDs(cfg.Secondaries)
}

// managerID is the partition manager of the secure world.
const managerID = 1 << 15

// checkIDs refuses partitions of one id.
func checkIDs(secondaries []Secondary) error {
	first := map[uint16]int{new(ffa.Endpoint).IDAt(0): -1} // who has it: the primary, or a secondary
	for i := range secondaries {
		s := &secondaries[i]
		e := s.identity()
		id := e.IDAt(uint16(1 + i))
		switch other, taken := first[id]; {
		case !taken:
			first[id] = i
		case other < 0:
			return fmt.Errorf("%w: secondary %s has the FF-A id %#x of the primary; give it another in its manifest", ErrUsage, s.Name, id)
		default:
			return fmt.Errorf("%w: secondaries %s and %s both have the FF-A id %#x; give one of them another in its manifest", ErrUsage, secondaries[other].Name, s.Name, id)
		}
	}
	return nil
}

// loadPartition completes the memory of a partition, at the beginning of which its image or package is: with its
// manifest and boot information, if it wants that. In a package, they stand where its header was; otherwise in the last
// pages.
func (m *Machine) loadPartition(s *Secondary, ram span, img []byte) (hypercall.Boot, error) {
	f := s.Manifest
	b := hypercall.Boot{Entry: ram.base + f.Entry}
	manifest := (ram.size - uint64(len(f.Blob))) &^ (pageSize - 1)
	info, room := manifest-pageSize, uint64(pageSize)
	if boot.IsPartitionPackage(img) {
		p, err := boot.ParsePartitionPackage(img)
		if err != nil {
			return b, fmt.Errorf("%w: secondary %s: %w", ErrUsage, s.Name, err)
		}
		if f.Entry == 0 {
			b.Entry += p.ImageAt
		}
		manifest, info, room = p.ManifestAt, 0, min(p.ManifestAt, p.ImageAt)
	} else if need := uint64(len(f.Blob)) + 2*pageSize; f.BootInformation && (ram.size < need || uint64(len(img)) > ram.size-need) {
		return b, fmt.Errorf("%w: secondary %s has no room for its image of %d bytes and its manifest of %d; give it more memory", ErrUsage, s.Name, len(img), len(f.Blob))
	}
	if b.Entry-ram.base >= ram.size {
		return b, fmt.Errorf("%w: secondary %s starts %#x bytes into its memory of %#x; correct its entrypoint-offset", ErrUsage, s.Name, b.Entry-ram.base, ram.size)
	}
	if !f.BootInformation {
		return b, nil
	}
	if room < uint64(wire.BootInfoSize(1)) {
		return b, fmt.Errorf("%w: secondary %s: its package has no room for boot information in its first %d bytes; pack it with an offset of 4096", ErrUsage, s.Name, room)
	}
	for _, r := range f.Regions {
		if r.Offset < manifest+uint64(len(f.Blob)) && manifest < r.End() || r.Offset < info+pageSize && info < r.End() {
			return b, fmt.Errorf("%w: secondary %s has its memory region %s where its manifest goes; move it, or give it more memory", ErrUsage, s.Name, r.Name)
		}
	}
	copy(m.ram.Slice(ram.base+manifest, ram.size-manifest), f.Blob)
	items := []wire.BootItem{{Name: bootFDTName, Type: wire.BootFDT, Size: uint32(len(f.Blob)), Address: ram.base + manifest}}
	wire.EncodeBootInfo(m.ram.Slice(ram.base+info, room), wire.Version(f.Version), items)
	if f.GPRegister == 0 {
		b.X0 = ram.base + info
	} else {
		b.Rest[f.GPRegister-1] = ram.base + info
	}
	return b, nil
}

// setRegions gives the partitions their buffers, and takes away what their manifests do not let them do with their memory.
func (m *Machine) setRegions() error {
	for i := range m.cfg.Secondaries {
		s := &m.cfg.Secondaries[i]
		if s.Manifest == nil {
			continue
		}
		base := m.vms[1+i].ram.base
		for _, r := range s.Manifest.Regions {
			access := ffa.Read
			if r.Write || s.Manifest.IsBuffer(r) { // those are RXTX_MAP's to protect
				access |= ffa.Write
			}
			if r.Execute {
				access |= ffa.Execute
			}
			if err := m.core.Restrict(1+i, ffa.Span{Base: base + r.Offset, Size: r.End() - r.Offset}, access); err != nil {
				return fmt.Errorf("%w: secondary %s: its memory region %s: %w; describe its memory by fewer regions", ErrUsage, s.Name, r.Name, err)
			}
		}
		if rx, tx := s.Manifest.RX, s.Manifest.TX; rx != nil {
			if err := m.core.MapBuffers(1+i, base+tx.Offset, base+rx.Offset, rx.Pages); err != nil {
				return fmt.Errorf("secondary %s: %w", s.Name, err)
			}
		}
	}
	return nil
}

// bootFDTName is the name of the manifest in the boot information.
const bootFDTName = "FF-A-manifest"
