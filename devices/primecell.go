package devices

// The registers of PrimeCell peripherals are 32-bit words, of which the low byte or half may be
// accessed alone. identification holds what the eight words from 0xFE0 read as: the peripheral's own
// identity and the PrimeCell class.
type identification [8]byte

const identificationBase = 0xFE0

// read returns the identification word at offset, or 0.
func (id *identification) read(offset uint64) uint32 {
	if offset < identificationBase || offset >= identificationBase+4*uint64(len(id)) {
		return 0
	}
	return uint32(id[(offset-identificationBase)/4])
}

// wordAccess reports whether a PrimeCell register can be accessed so.
func wordAccess(offset uint64, size int) bool {
	return offset%4 == 0 && (size == 1 || size == 2 || size == 4)
}

// truncate returns the low size bytes of v. size is 1, 2 or 4.
func truncate(v uint64, size int) uint32 {
	return uint32(v & (1<<(8*size) - 1))
}
