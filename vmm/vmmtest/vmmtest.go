// Package vmmtest has what tests of whole machines share.
package vmmtest

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"
)

// NeedKVM skips a test where hfvmm cannot run a machine itself, or fails where it must be able to.
func NeedKVM(t *testing.T) {
	t.Helper()
	err := errors.New("the tests of machines need linux/arm64")
	if runtime.GOOS == "linux" && runtime.GOARCH == "arm64" {
		_, err = os.Stat("/dev/kvm")
	}
	switch {
	case err == nil:
	case os.Getenv("HFVMM_REQUIRE_LAB") != "" && runtime.GOARCH == "arm64":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// Soak reports whether there is time for long tests.
func Soak() bool { return os.Getenv("HFVMM_SOAK") == "1" }

// Output is what a machine prints, from several threads.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
