//go:build !linux || !arm64

package kvmarm

import (
	"errors"
	"testing"
)

func TestOpenSaysThatThePlatformIsUnsupported(t *testing.T) {
	if _, err := Open("/dev/kvm"); !errors.Is(err, ErrUnsupported) {
		t.Errorf("error is %v", err)
	}
}
