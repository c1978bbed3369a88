package vmm

// ram is the machine's physical memory: one mapping, at ramBase in every VM that may see a page.
type ram struct {
	bytes []byte
	fd    int // of the file behind it
}

// Slice returns the bytes at an IPA, or nil where the range is not wholly RAM.
func (r *ram) Slice(ipa, size uint64) []byte {
	if !(span{ramBase, uint64(len(r.bytes))}).contains(ipa, size) {
		return nil
	}
	off := ipa - ramBase
	return r.bytes[off : off+size : off+size]
}
