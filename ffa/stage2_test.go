package ffa

import (
	"errors"
	"sync"
)

// fakeStage2 knows what each VM may do with each page.
type fakeStage2 struct {
	mu     sync.Mutex
	access []map[uint64]Access // by VM, by address of a page that it has access to
	parked int                 // parks without their resume
	parks  int
	remaps int
	full   bool // refuse the next Remap, or Fits
	fail   int  // or the n-th Remap from now, although it fits; 0 for none

	// resuming is called by Resume, if set.
	resuming func()
}

func (f *fakeStage2) add(vm int, ram Span) {
	f.access = append(f.access, map[uint64]Access{})
	f.set(Mapping{vm, ram, FullAccess})
}

func (f *fakeStage2) set(m Mapping) {
	for a := m.Span.Base; a < m.Span.Base+m.Span.Size; a += PageSize {
		f.access[m.VM][a] = m.Access
	}
}

func (f *fakeStage2) Park() {
	f.mu.Lock()
	f.parked++
	f.parks++
}

func (f *fakeStage2) Resume() {
	if f.resuming != nil {
		f.resuming()
	}
	f.parked--
	f.mu.Unlock()
}

func (f *fakeStage2) Fits([]Mapping) error {
	if f.full {
		f.full = false
		return errors.New("no slots")
	}
	return nil
}

func (f *fakeStage2) Remap(ms []Mapping) error {
	if f.parked != 1 {
		panic("remap of a machine that runs")
	}
	if err := f.Fits(ms); err != nil {
		return err
	}
	if f.fail > 0 {
		if f.fail--; f.fail == 0 {
			return errors.New("the kernel has no memory")
		}
	}
	f.remaps += len(ms)
	for _, m := range ms {
		f.set(m)
	}
	return nil
}
