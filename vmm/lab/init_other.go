//go:build !linux

package lab

// Init does nothing here: labs run Linux.
func Init() {}
