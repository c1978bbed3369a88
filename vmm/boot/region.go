package boot

import (
	"fmt"
	"slices"

	"github.com/u-root/u-root/pkg/dt"
)

// PartitionRegion is memory that a partition's manifest describes, which is part of its RAM.
type PartitionRegion struct {
	Name    string
	Handle  uint32 // by which others refer to it, or 0
	Offset  uint64 // from where the partition lies, bytes: whole pages
	Pages   uint64 // of 4 KiB, at least 1
	Write   bool   // it may be written; it can always be read
	Execute bool   // vCPUs may start there, and others may be let execute it
}

// End is the offset of the first byte behind the region.
func (r PartitionRegion) End() uint64 { return r.Offset + r.Pages*regionPage }

const regionPage = 4096

// Attributes of a memory region. There is one security state.
const (
	regionRead     = 1 << 0
	regionWrite    = 1 << 1
	regionExecute  = 1 << 2
	regionSecurity = 1 << 3

	regionKnown = regionRead | regionWrite | regionExecute | regionSecurity
)

// maxRegionOffset and maxRegionPages bound what no partition's RAM could hold.
const (
	maxRegionOffset = 1 << 40
	maxRegionPages  = 1 << 28
)

// regionProperties are those of a memory region.
var regionProperties = map[string]partitionRow{
	"description":                   {},
	"phandle":                       {}, // with the buffers
	"linux,phandle":                 {},
	"load-address-relative-offset":  {required: true},
	"pages-count":                   {required: true},
	"attributes":                    {required: true},
	"base-address":                  {refused: "hfvmm chooses where a partition lies; give a load-address-relative-offset"},
	"stream-ids":                    {refused: "there are no devices that access memory"},
	"smmu-id":                       {refused: "there are no devices that access memory"},
	"stream-ids-access-permissions": {refused: "there are no devices that access memory"},
}

// readRegions reads the node with memory regions.
func (m *PartitionManifest) readRegions(n *dt.Node) error {
	for _, child := range n.Children {
		r, err := readRegion(child)
		if err != nil {
			return fmt.Errorf("its memory region %s: %w", child.Name, err)
		}
		for _, o := range m.Regions {
			if r.Offset < o.End() && o.Offset < r.End() {
				return fmt.Errorf("its memory regions %s and %s overlap; move one of them", o.Name, r.Name)
			}
		}
		m.Regions = append(m.Regions, r)
	}
	return nil
}

func readRegion(n *dt.Node) (r PartitionRegion, err error) {
	for _, p := range n.Properties {
		switch row, ok := regionProperties[p.Name]; {
		case !ok:
			return r, fmt.Errorf("its property %s is unknown; remove it", p.Name)
		case row.refused != "":
			return r, fmt.Errorf("its property %s cannot be honoured: %s", p.Name, row.refused)
		}
	}
	number := func(name string, least, most uint64) (x uint64) {
		p, ok := n.LookProperty(name)
		if !ok && err == nil {
			err = fmt.Errorf("it has no property %s; add it", name)
		}
		if err == nil {
			x, err = partitionProperty{p.Name, p.Value}.number(least, most)
		}
		return x
	}
	r = PartitionRegion{
		Name:   n.Name,
		Offset: number("load-address-relative-offset", 0, maxRegionOffset),
		Pages:  number("pages-count", 1, maxRegionPages),
	}
	if _, ok := n.LookProperty("phandle"); ok {
		r.Handle = uint32(number("phandle", 1, 1<<32-1))
	}
	attributes := number("attributes", regionRead, regionKnown)
	r.Write, r.Execute = attributes&regionWrite != 0, attributes&regionExecute != 0
	switch {
	case err != nil:
	case r.Offset%regionPage != 0:
		err = fmt.Errorf("its offset %#x is not a multiple of %d; align it", r.Offset, regionPage)
	case attributes&regionRead == 0:
		err = fmt.Errorf("its attributes %#x do not let it be read, which is always possible here; set bit 0", attributes)
	}
	return r, err
}

// readBuffers finds the memory regions that are the partition's RX and TX buffers.
func (m *PartitionManifest) readBuffers(n *dt.Node) error {
	var spans [2]PartitionRegion
	for i, name := range [...]string{"rx-buffer", "tx-buffer"} {
		p, ok := n.LookProperty(name)
		if !ok {
			return fmt.Errorf("its node %s has no property %s; add it", n.Name, name)
		}
		handle, err := (partitionProperty{p.Name, p.Value}).number(1, 1<<32-1)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(m.Regions, func(r PartitionRegion) bool { return uint64(r.Handle) == handle })
		if at < 0 {
			return fmt.Errorf("its %s is not one of its memory regions; give a reference to one", name)
		}
		spans[i] = m.Regions[at]
	}
	m.RX, m.TX = &spans[0], &spans[1]
	switch {
	case m.RX.Offset == m.TX.Offset:
		return fmt.Errorf("its RX and TX buffers are the same memory region, %s; give each its own", m.RX.Name)
	case m.RX.Pages != m.TX.Pages || m.RX.Pages > maxBufferPages:
		return fmt.Errorf("its RX buffer has %d pages and its TX buffer %d; give both the same, at most %d", m.RX.Pages, m.TX.Pages, maxBufferPages)
	case !m.TX.Write:
		return fmt.Errorf("its TX buffer, %s, cannot be written; set bit 1 of its attributes", m.TX.Name)
	}
	return nil
}

// IsBuffer reports whether a region is the partition's RX or TX buffer.
func (m *PartitionManifest) IsBuffer(r PartitionRegion) bool {
	return m.RX != nil && (r == *m.RX || r == *m.TX)
}

// maxBufferPages is how large an RX or TX buffer may be, as FFA_RXTX_MAP has it.
const maxBufferPages = 16
