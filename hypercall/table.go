package hypercall

import (
	"cmp"
	"fmt"
	"slices"
)

// Service answers the function identifiers of its ranges.
type Service interface {
	Ranges() []Range
	// Call serves one call of v. fn lies in one of the ranges.
	Call(v *VCPU, fn FuncID, c Conduit) Outcome
}

// Table finds the service of a function identifier.
type Table struct {
	rows []row // sorted by range, disjoint
}

type row struct {
	Range
	Service
}

// NewTable builds the table. Services whose ranges overlap are a mistake of the programmer.
func NewTable(services ...Service) (*Table, error) {
	t := &Table{}
	for _, s := range services {
		for _, r := range s.Ranges() {
			t.rows = append(t.rows, row{r, s})
		}
	}
	slices.SortFunc(t.rows, func(a, b row) int { return cmp.Compare(a.First, b.First) })
	for i := 1; i < len(t.rows); i++ {
		if prev := t.rows[i-1]; prev.Contains(t.rows[i].First) {
			return nil, fmt.Errorf("hypercall: ranges %v and %v overlap", prev.Range, t.rows[i].Range)
		}
	}
	return t, nil
}

// Ranges returns every range of the table in ascending order.
func (t *Table) Ranges() []Range {
	rs := make([]Range, len(t.rows))
	for i := range t.rows {
		rs[i] = t.rows[i].Range
	}
	return rs
}

// Dispatch serves one call of v, answering NotSupported to functions that nobody serves.
func (t *Table) Dispatch(v *VCPU, fn FuncID, c Conduit) Outcome {
	lo, hi := 0, len(t.rows)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if r := &t.rows[mid]; fn < r.First {
			hi = mid
		} else if uint32(fn-r.First) >= r.Count {
			lo = mid + 1
		} else {
			return r.Call(v, fn, c)
		}
	}
	v.Regs.SetX(0, NotSupported)
	return Outcome{}
}
