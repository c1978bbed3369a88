package boot

import "fmt"

// FDTRoom is the memory set aside for the device tree, and its greatest size (booting.rst §2).
const FDTRoom = 2 << 20

const pageSize = 4096

// Placement says where the primary's images go.
type Placement struct {
	Entry  uint64 // IPA of the first instruction, where the image is loaded
	Kernel Span   // from Entry; includes the memory that the kernel wants beyond its image
	FDT    Span   // FDTRoom bytes on a 2 MiB boundary
	Initrd Span   // Size 0 if there is none
}

// Place finds room for the primary's images in ram, whose Base is a multiple of 2 MiB: the kernel
// lowest, at its text offset, then the device tree, then the initrd of initrdSize bytes. All of it
// lies close together, as Linux demands (booting.rst §4).
func Place(ram Span, k *Kernel, initrdSize uint64) (Placement, error) {
	var p Placement
	p.Entry = ram.Base + k.TextOffset
	p.Kernel = Span{p.Entry, k.ImageSize}
	// Each size is compared before it is added, so nothing here wraps around.
	if k.TextOffset > ram.Size || k.ImageSize > ram.Size-k.TextOffset || initrdSize > ram.Size {
		return Placement{}, noRoom(ram, k, initrdSize)
	}
	p.FDT = Span{alignUp(p.Kernel.End(), FDTRoom), FDTRoom}
	p.Initrd = Span{p.FDT.End(), initrdSize}
	if alignUp(p.Initrd.End(), pageSize) > ram.End() {
		return Placement{}, noRoom(ram, k, initrdSize)
	}
	return p, nil
}

func noRoom(ram Span, k *Kernel, initrdSize uint64) error {
	return fmt.Errorf("the kernel (%s), the initrd (%s) and the device tree (%s) do not fit into the VM's %s of memory; give it more memory",
		mib(k.ImageSize), mib(initrdSize), mib(FDTRoom), mib(ram.Size))
}

func alignUp(v, to uint64) uint64 { return (v + to - 1) &^ (to - 1) }
