package vmm

import (
	"errors"
	"testing"
)

func TestHafniumIDRegisterPromisesSmallPagesAndAtMost48Bits(t *testing.T) {
	for host, want := range map[uint64]uint64{
		0x0000_0000_0000_1122: 0x0000_0000_0000_1122, // 40 bits
		0x0000_0000_0000_1125: 0x0000_0000_0000_1125, // 48 bits
		0x0000_0000_0000_1126: 0x0000_0000_0000_1125, // 52 bits
		0x1000_0222_1010_1126: 0x1000_0222_0010_1125, // and 4 KiB pages with 52 bits
	} {
		got, err := mmfr0OfHafnium(host)
		if err != nil || got != want {
			t.Errorf("%#x became %#x, error %v; want %#x", host, got, err, want)
		}
	}
	if _, err := mmfr0OfHafnium(0xF000_1125); !errors.Is(err, ErrNoKVM) {
		t.Errorf("without pages of 4 KiB: error %v", err)
	}
}
