package ffa

import "github.com/hfvmm/hfvmm/ffa/wire"

// Limits of what one VM may have under way as the sender of memory. They bound what it can make the core keep.
const (
	MaxRegions = 64   // transactions that are not reclaimed
	MaxRanges  = 4096 // of memory, in all of them

	// MaxPieces is in how many ranges of different access the memory is that a VM owns.
	MaxPieces = 3 * MaxRanges
)

// region is a memory transaction of FF-A, from the first fragment of its descriptor until the sender has its memory
// back or the receiver of a donation has it all.
type region struct {
	handle     uint64
	how        transfer
	sender     *partition
	attributes uint16
	zeroed     bool // the sender wanted it cleared
	tag        uint64
	own        Access // of the sender, when it has the memory for itself

	// As the sender described it.
	total, received uint64 // bytes of the descriptor
	memory          []Span
	composite       wire.Composite

	borrowers []borrower
	clear     bool // when the last borrower gives it up
	orphan    bool // the sender is dead: nobody can retrieve it any more
}

// borrower is a VM that a region is for.
type borrower struct {
	vm          *partition
	permissions uint8
	impdef      [2]uint64

	state   borrowing
	granted Access
	clear   bool   // when it gives the memory up
	sent    uint64 // bytes of the descriptor that it retrieves, of total
	total   uint64
}

// borrowing is how far a borrower is.
type borrowing uint8

// The states. A borrower has access from the moment that it begins to retrieve.
const (
	notRetrieved borrowing = iota
	retrieving             // fragments of the answer are missing
	retrieved
)

// complete reports whether the sender has described all of it.
func (r *region) complete() bool { return r.received == r.total }

// ownerAccess is what its owner may do.
func (r *region) ownerAccess() Access {
	if r.how == share {
		return r.own
	}
	return 0
}

// access is what VM vm, not the owner, may do.
func (r *region) access(vm uint16) Access {
	if b := r.borrower(vm); b != nil && b.state != notRetrieved {
		return b.granted
	}
	return 0
}

// borrower finds VM vm among the borrowers, or returns nil.
func (r *region) borrower(vm uint16) *borrower {
	for i := range r.borrowers {
		if b := &r.borrowers[i]; b.vm.index == vm {
			return b
		}
	}
	return nil
}

// held reports whether some borrower has it.
func (r *region) held() bool {
	for i := range r.borrowers {
		if r.borrowers[i].state != notRetrieved {
			return true
		}
	}
	return false
}

// claim is what stands in the holdings for its pages.
func (r *region) claim() claim {
	return claim{owner: r.sender.index, borrower: noVM, own: r.own, region: r}
}

// open registers a region under a handle that nobody can guess, or refuses it because its sender has too much
// under way.
func (c *Core) open(r *region) status {
	p := r.sender
	if p.regions >= MaxRegions || uint64(r.composite.Ranges) > uint64(MaxRanges-p.ranges) {
		return noMemory
	}
	for r.handle == 0 || c.regions[r.handle] != nil {
		r.handle = c.newHandle() | handleOfHypervisor
	}
	r.memory = make([]Span, 0, r.composite.Ranges)
	p.regions++
	p.ranges += int(r.composite.Ranges)
	c.regions[r.handle] = r
	return success
}

// handleOfHypervisor is the bit of a handle that says who gave it out (DEN0077A §10).
const handleOfHypervisor = 1 << 63

// close forgets a region.
func (c *Core) close(r *region) {
	delete(c.regions, r.handle)
	r.sender.regions--
	r.sender.ranges -= int(r.composite.Ranges)
}

// expose makes stage 2 let VM p do with the region's memory what access says, and clears that if zero: before p has access
// or once it has none, for however long that takes, only the core waits, and not the whole machine.
func (c *Core) expose(r *region, p *partition, access Access, zero bool) status {
	c.changes = c.changes[:0]
	for _, s := range r.memory {
		c.plan(p, s, access)
	}
	if zero && access != 0 {
		if c.stage2.Fits(c.changes) != nil {
			return noMemory
		}
		c.wipe(r.memory)
	}
	if c.remap() != nil {
		return noMemory
	}
	if zero && access == 0 {
		c.wipe(r.memory)
	}
	return success
}

// assign gives the region's memory the claim cl.
func (c *Core) assign(r *region, cl claim) {
	c.spans = append(c.spans[:0], r.memory...)
	c.normalize()
	c.pages.setAll(c.spans, cl)
}
