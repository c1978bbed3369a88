package boot

import (
	"testing"

	"pgregory.net/rapid"
)

// checkPlacement checks what booting.rst asks of a boot loader.
func checkPlacement(t interface{ Errorf(string, ...any) }, ram Span, p Placement) {
	if p.FDT.Base%8 != 0 || p.FDT.Base/FDTRoom != (p.FDT.End()-1)/FDTRoom {
		t.Errorf("the device tree %+v crosses a 2 MiB boundary or is unaligned", p.FDT)
	}
	spans := []Span{p.Kernel, p.FDT, p.Initrd}
	for i, s := range spans {
		if s.Base < ram.Base || s.End() < s.Base || s.End() > ram.End() {
			t.Errorf("%+v lies outside of RAM %+v", s, ram)
		}
		if i > 0 && s.Base < spans[i-1].End() {
			t.Errorf("%+v overlaps %+v", s, spans[i-1])
		}
	}
}

func TestPlaceKeepsImagesApartAndInsideOfRAM(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ram := Span{0x4000_0000, rapid.Uint64Range(0, 1<<28).Draw(t, "ram") &^ (pageSize - 1)}
		k := &Kernel{
			TextOffset: rapid.Uint64Range(0, imageAlignment-1).Draw(t, "text offset"),
			ImageSize:  rapid.Uint64Range(1, 1<<28).Draw(t, "kernel"),
			Unsized:    rapid.Bool().Draw(t, "unsized"),
		}
		initrd := rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(1, 1<<28)).Draw(t, "initrd")
		p, err := Place(ram, k, initrd)
		if err == nil {
			checkPlacement(t, ram, p)
			if (p.Kernel.Base-k.TextOffset)%imageAlignment != 0 || p.Initrd.Size != initrd || p.Initrd.Base%pageSize != 0 {
				t.Errorf("got %+v", p)
			}
			return
		}
		// Nothing is refused that would fit with the gaps between the images to spare.
		if k.TextOffset+k.ImageSize+initrd+2*FDTRoom+pageSize <= ram.Size {
			t.Errorf("refused: %v", err)
		}
	})
}

// What such a kernel clears, or uses before it reads the device tree, lies behind its image.
func TestKernelThatDoesNotSayItsSizeHasTheMemoryBehindIt(t *testing.T) {
	k := &Kernel{TextOffset: flatTextOffset, ImageSize: 600 << 10, Unsized: true}
	for _, c := range []struct{ ram, fdt, initrd uint64 }{
		{64 << 20, 0x4000_0000 + 58<<20, 0x4000_0000 + 60<<20},
		{4 << 30, 0x4000_0000 + 506<<20, 0x4000_0000 + 508<<20}, // Linux before 4.2 looks for it in the first 512 MiB
	} {
		p, err := Place(Span{0x4000_0000, c.ram}, k, 4<<20)
		if err != nil || p.FDT.Base != c.fdt || p.Initrd.Base != c.initrd {
			t.Errorf("%d bytes of RAM: error %v, device tree at %#x, initrd at %#x; want %#x, %#x", c.ram, err, p.FDT.Base, p.Initrd.Base, c.fdt, c.initrd)
		}
	}
}

func TestImagesLargerThanMemoryAreRefused(t *testing.T) {
	ram := Span{0x4000_0000, 64 << 20}
	for _, c := range []struct{ text, kernel, initrd uint64 }{
		{0, 64 << 20, 0}, {0, 1<<64 - 1, 0}, {0x80000, 1<<64 - 0x80000, 0}, {0, 1 << 20, 61 << 20}, {0, 1, 1<<64 - 1},
	} {
		_, err := Place(ram, &Kernel{TextOffset: c.text, ImageSize: c.kernel}, c.initrd)
		mentions(t, err, "do not fit", "64 MiB", "more memory")
	}
}
