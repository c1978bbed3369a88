// Command job is the program that the lab's tests run: its first argument says what it does.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hfvmm/hfvmm/vmm/lab"
)

func main() {
	lab.Init()
	switch os.Args[1] {
	case "cat":
		if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
			panic(err)
		}
		fmt.Fprint(os.Stderr, "stderr")
		os.Exit(7)
	case "describe":
		dir, _ := os.Getwd()
		text, err := os.ReadFile("file")
		kvm, noKVM := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
		if noKVM == nil {
			kvm.Close()
		}
		fmt.Println(dir, string(text), err, os.Getenv("KEY"), strings.Join(os.Args[2:], "|"), noKVM)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "flood":
		most, err := strconv.Atoi(os.Args[2])
		if err != nil {
			panic(err)
		}
		fmt.Fprint(os.Stderr, flood(most))
		os.Exit(7)
	case "obey":
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		fmt.Println("ready")
		<-asked
		fmt.Fprint(os.Stderr, "last words")
	case "hang":
		fmt.Println("hanging")
		time.Sleep(time.Hour)
	}
}

// flood writes to standard output, which the host does not read, until most bytes are written or all that there is in
// between is full. It returns how many bytes that took.
func flood(most int) (sent int) {
	_ = syscall.SetNonblock(1, true)
	buf := make([]byte, 4096)
	for full := 0; sent < most && full < 200; {
		n, err := syscall.Write(1, buf)
		if err == nil {
			sent, full = sent+n, 0
			continue
		}
		full++
		time.Sleep(5 * time.Millisecond)
	}
	return sent
}
