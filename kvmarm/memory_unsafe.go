package kvmarm

import "unsafe"

// view returns the T at the start of memory that was mapped, not allocated. The memory is long enough
// and page aligned; a field of a mapped structure is aligned for every T of layout.go.
func view[T any](mapped []byte) *T {
	if uintptr(len(mapped)) < unsafe.Sizeof(*new(T)) {
		panic("kvmarm: the mapping is shorter than the structure in it")
	}
	return (*T)(unsafe.Pointer(unsafe.SliceData(mapped)))
}

// offHeapAddress returns the address of *p for a structure that the kernel reads. *p must lie in mapped
// memory: on the heap or on a stack nothing would keep it there.
func offHeapAddress[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }
