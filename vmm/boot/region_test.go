package boot

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/dt"
)

// regions is the node with memory regions of a manifest.
func regions(children ...*dt.Node) *dt.Node {
	n := child("memory-regions", "arm,ffa-manifest-memory-regions", str("description", "some"))
	n.Children = children
	return n
}

func region(name string, offset uint64, pages, attributes uint32, more ...dt.Property) *dt.Node {
	return node(name, append([]dt.Property{
		u32("load-address-relative-offset", uint32(offset>>32), uint32(offset)), u32("pages-count", pages), u32("attributes", attributes),
	}, more...)...)
}

func buffers(rx, tx uint32) *dt.Node {
	return child("rx_tx-info", buffersNode, u32("rx-buffer", rx), u32("tx-buffer", tx))
}

func TestMemoryRegionsAndBuffersOfAManifestAreRead(t *testing.T) {
	n := partition()
	n.Children = []*dt.Node{
		buffers(7, 8), // before what they refer to
		regions(region("rx", 0x10000, 2, 1, u32("phandle", 7)), region("tx", 0x12000, 2, 3, u32("phandle", 8)),
			region("constants", 0x1_0000_0000, 1, 0xd, str("description", "that nobody writes"))),
	}
	m, err := ParsePartitionManifest(blob(t, n))
	if err != nil {
		t.Fatal(err)
	}
	want := []PartitionRegion{
		{Name: "rx", Handle: 7, Offset: 0x10000, Pages: 2},
		{Name: "tx", Handle: 8, Offset: 0x12000, Pages: 2, Write: true},
		{Name: "constants", Offset: 0x1_0000_0000, Pages: 1, Execute: true},
	}
	if d := cmp.Diff(want, m.Regions); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if *m.RX != want[0] || *m.TX != want[1] || !m.IsBuffer(want[1]) || m.IsBuffer(want[2]) {
		t.Errorf("RX %+v, TX %+v", m.RX, m.TX)
	}
}

func TestMemoryRegionThatCannotBeHonouredIsRefusedByName(t *testing.T) {
	rx, tx := region("rx", 0, 1, 1, u32("phandle", 1)), region("tx", 0x1000, 1, 3, u32("phandle", 2))
	lacking := func(name string) *dt.Node {
		n := region("a", 0, 1, 3)
		n.RemoveProperty(name)
		return regions(n)
	}
	for want, nodes := range map[string][]*dt.Node{
		"memory region a: it has no property load-address":              {lacking("load-address-relative-offset")},
		"memory region a: it has no property pages-count":               {lacking("pages-count")},
		"memory region a: it has no property attributes":                {lacking("attributes")},
		"a: its property base-address cannot be honoured: hfvmm choo":   {regions(region("a", 0, 1, 3, u32("base-address", 0)))},
		"a: its property stream-ids cannot be honoured: there are no":   {regions(region("a", 0, 1, 3, u32("stream-ids", 0)))},
		"a: its property size is unknown":                               {regions(region("a", 0, 1, 3, u32("size", 4096)))},
		"a: its property pages-count is 0x0":                            {regions(region("a", 0, 0, 3))},
		"a: its property attributes is 0x10":                            {regions(region("a", 0, 1, 0x10))},
		"a: its attributes 0x2 do not let it be read":                   {regions(region("a", 0, 1, 2))},
		"a: its offset 0x800 is not a multiple of 4096":                 {regions(region("a", 0x800, 1, 3))},
		"a: its property load-address-relative-offset is 0x10000001000": {regions(region("a", 1<<40+0x1000, 1, 3))},
		"memory regions a and b overlap":                                {regions(region("a", 0, 2, 3), region("b", 0x1000, 1, 3))},
		"node rx_tx-info has no property tx-buffer":                     {child("rx_tx-info", buffersNode, u32("rx-buffer", 1)), regions(rx, tx)},
		"rx-buffer is not one of its memory regions":                    {buffers(3, 2), regions(rx, tx)},
		"are the same memory region, tx":                                {buffers(2, 2), regions(rx, tx)},
		"RX buffer has 1 pages and its TX buffer 2":                     {buffers(1, 3), regions(rx, region("big", 0x2000, 2, 3, u32("phandle", 3)))},
		"TX buffer, rx, cannot be written":                              {buffers(2, 1), regions(rx, tx)},
	} {
		n := partition()
		n.Children = nodes
		if _, err := ParsePartitionManifest(blob(t, n)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}
