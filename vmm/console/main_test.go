package console

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	Guard()
	os.Exit(m.Run())
}
