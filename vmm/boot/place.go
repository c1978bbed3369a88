package boot

import "fmt"

// FDTRoom is the memory set aside for the device tree, and its greatest size (booting.rst §2).
const FDTRoom = 2 << 20

const pageSize = 4096

// Span is Size bytes of guest memory from the IPA Base.
type Span struct {
	Base, Size uint64
}

// End returns the first IPA after the span.
func (s Span) End() uint64 { return s.Base + s.Size }

// Placement says where a VM's images go.
type Placement struct {
	Kernel Span // from its first instruction, where the image is loaded; with the memory that it wants beyond its image
	FDT    Span // FDTRoom bytes on a 2 MiB boundary
	Initrd Span // Size 0 if there is none
}

// Place finds room for a VM's images in ram, whose Base is a multiple of 2 MiB: the kernel
// lowest, at its text offset, then the device tree, then the initrd of initrdSize bytes. All of it
// lies close together, as Linux demands; but behind a kernel that does not say how much memory it wants there, as much
// as can be is left free (booting.rst §4).
func Place(ram Span, k *Kernel, initrdSize uint64) (Placement, error) {
	var p Placement
	p.Kernel = Span{ram.Base + k.TextOffset, k.ImageSize}
	// Each size is compared before it is added, so nothing here wraps around.
	if k.TextOffset > ram.Size || k.ImageSize > ram.Size-k.TextOffset || initrdSize > ram.Size {
		return Placement{}, noRoom(ram, k, initrdSize)
	}
	p.FDT = Span{alignUp(p.Kernel.End(), FDTRoom), FDTRoom}
	if high := lastPlace(ram, initrdSize); k.Unsized && high > p.FDT.Base {
		p.FDT.Base = high
	}
	p.Initrd = Span{p.FDT.End(), initrdSize}
	if alignUp(p.Initrd.End(), pageSize) > ram.End() {
		return Placement{}, noRoom(ram, k, initrdSize)
	}
	return p, nil
}

// unsizedReach is how far from the start of RAM a kernel without a size, which may be an old one, looks for its device
// tree (booting.rst of Linux before 4.2).
const unsizedReach = 512 << 20

// lastPlace is the highest place for the device tree, with an initrd of that size behind it, or 0.
func lastPlace(ram Span, initrdSize uint64) uint64 {
	reach := min(ram.Size, unsizedReach)
	if initrdSize > reach || FDTRoom > reach-initrdSize {
		return 0
	}
	return (ram.Base + reach - initrdSize - FDTRoom) &^ (FDTRoom - 1)
}

func noRoom(ram Span, k *Kernel, initrdSize uint64) error {
	return fmt.Errorf("the kernel (%s), the initrd (%s) and the device tree (%s) do not fit into the VM's %s of memory; give it more memory",
		mib(k.ImageSize), mib(initrdSize), mib(FDTRoom), mib(ram.Size))
}

// mib words a size for a user, rounded up to whole MiB where it is at least one.
func mib(bytes uint64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%d KiB", (bytes+1<<10-1)>>10)
	}
	return fmt.Sprintf("%d MiB", (bytes+1<<20-1)>>20)
}

func alignUp(v, to uint64) uint64 { return (v + to - 1) &^ (to - 1) }
