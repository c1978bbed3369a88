package devices

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// tape records the accesses that reach a device.
type tape struct {
	offset uint64
	size   int
	value  uint64
	count  int
}

func (d *tape) Read(offset uint64, size int) uint64 {
	d.offset, d.size = offset, size
	d.count++
	return d.value
}

func (d *tape) Write(offset uint64, size int, v uint64) {
	d.offset, d.size, d.value = offset, size, v
	d.count++
}

func TestBusPassesTheOffsetWithinTheWindow(t *testing.T) {
	var b Bus
	d := &tape{}
	if err := b.Add(0x9000000, 0x1000, d); err != nil {
		t.Fatal(err)
	}
	if !b.Write(0x9000018, 4, 7) || d.offset != 0x18 || d.size != 4 || d.value != 7 {
		t.Errorf("write reached the device as %+v", *d)
	}
	if v, ok := b.Read(0x9000FFC, 4); !ok || v != 7 || d.offset != 0xFFC {
		t.Errorf("read gave %d, %v with %+v", v, ok, *d)
	}
}

func TestBusHasNobodyOutsideOfWindows(t *testing.T) {
	var b Bus
	d := &tape{}
	if err := b.Add(0x1000, 0x100, d); err != nil {
		t.Fatal(err)
	}
	for _, a := range []struct {
		addr uint64
		size int
	}{
		{0, 4}, {0xFFF, 1}, {0xFFF, 2}, {0x1100, 1}, {0x10FE, 4}, {0x10FF, 2},
		{math.MaxUint64, 8}, {0x1000, 0}, {0x1000, -1},
	} {
		if _, ok := b.Read(a.addr, a.size); ok {
			t.Errorf("read of %d at %#x found a device", a.size, a.addr)
		}
		if b.Write(a.addr, a.size, 1) {
			t.Errorf("write of %d at %#x found a device", a.size, a.addr)
		}
	}
	if d.count != 0 {
		t.Errorf("the device saw %d accesses", d.count)
	}
}

func TestBusRefusesWindowsThatOverlapOrWrap(t *testing.T) {
	var b Bus
	if err := b.Add(0x1000, 0x1000, &tape{}); err != nil {
		t.Fatal(err)
	}
	for _, w := range []struct{ base, size uint64 }{
		{0x1000, 0x1000}, {0x1FFF, 1}, {0x0, 0x1001}, {0x1800, 0x1000}, {0x800, 0x4000}, {0x1400, 0x10},
		{0x5000, 0}, {math.MaxUint64, 2}, {2, math.MaxUint64},
	} {
		if err := b.Add(w.base, w.size, &tape{}); err == nil {
			t.Errorf("a window of %#x at %#x was accepted", w.size, w.base)
		}
	}
	for _, w := range []struct{ base, size uint64 }{{0x0, 0x1000}, {0x2000, 1}, {math.MaxUint64, 1}} {
		if err := b.Add(w.base, w.size, &tape{}); err != nil {
			t.Errorf("a free window was refused: %v", err)
		}
	}
}

func TestBusFindsWhatALinearSearchFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type row struct {
			base, size uint64
			d          *tape
		}
		var b Bus
		var rows []row
		for range rapid.IntRange(0, 12).Draw(t, "windows") {
			r := row{rapid.Uint64Range(0, 200).Draw(t, "base"), rapid.Uint64Range(1, 40).Draw(t, "size"), &tape{}}
			free := true
			for _, o := range rows {
				free = free && (r.base+r.size <= o.base || o.base+o.size <= r.base)
			}
			if err := b.Add(r.base, r.size, r.d); (err == nil) != free {
				t.Fatalf("Add(%d, %d) with %v: %v", r.base, r.size, rows, err)
			}
			if free {
				rows = append(rows, r)
			}
		}
		addr := rapid.Uint64Range(0, 260).Draw(t, "addr")
		size := rapid.SampledFrom([]int{1, 2, 4, 8}).Draw(t, "width")
		var want *tape
		for _, r := range rows {
			if addr >= r.base && addr+uint64(size) <= r.base+r.size {
				want = r.d
			}
		}
		if ok := b.Write(addr, size, 1); ok != (want != nil) || (ok && want.count != 1) {
			t.Fatalf("write of %d at %d: %v, want %v", size, addr, ok, want)
		}
	})
}

func TestBusDoesNotAllocate(t *testing.T) {
	var b Bus
	for i := range uint64(32) {
		if err := b.Add(0xA000000+i*0x200, 0x200, &tape{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		b.Read(0xA000604, 4)
		b.Write(0xA003E00, 4, 1)
		b.Read(0xB000000, 4)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
