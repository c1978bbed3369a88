package kvmarm

import "fmt"

// Peek reads registers of a vCPU for a goroutine that does not own the vCPU. Like VCPU it belongs to
// one goroutine at a time. A read waits for as long as the vCPU is inside of Run.
type Peek struct {
	v       *VCPU
	page    []byte
	scratch *peekScratch // in page
}

type peekScratch struct {
	reg   oneReg
	value uint64
}

// NewPeek returns a reader of the vCPU's registers. Close it before the vCPU.
func (v *VCPU) NewPeek() (*Peek, error) {
	page, err := mapScratch()
	if err != nil {
		return nil, fmt.Errorf("mmap for vCPU %d: %w", v.id, err)
	}
	p := &Peek{v: v, page: page, scratch: view[peekScratch](page)}
	p.scratch.reg.addr = offHeapAddress(&p.scratch.value)
	return p, nil
}

// Get reads a register.
func (p *Peek) Get(reg RegID) (uint64, error) {
	p.scratch.reg.id = uint64(reg)
	if _, errno := ioctlStruct(p.v.fd, reqGetOneReg, &p.scratch.reg); errno != 0 {
		return 0, p.v.failReg(reqGetOneReg, reg, errno)
	}
	return p.scratch.value, nil
}

// Close releases the reader.
func (p *Peek) Close() error { return unmap(p.page) }
