package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

func deeper(n int) int {
	return deeper(n+1) + n
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	var which string
	fmt.Fscan(in, &which)
	switch which {
	case "sum":
		total, number := 0, 0
		for {
			if _, err := fmt.Fscan(in, &number); err != nil {
				break
			}
			total += number
		}
		fmt.Println(total)
	case "bare":
		fmt.Print("42")
	case "wrong":
		fmt.Println(41)
	case "exception":
		panic("no good")
	case "exit":
		os.Exit(3)
	case "signal":
		syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	case "loop":
		for {
		}
	case "sleep":
		time.Sleep(time.Minute)
	case "memory":
		var held [][]byte
		for {
			block := make([]byte, 1<<20)
			for i := range block {
				block[i] = 1
			}
			held = append(held, block)
		}
	case "recursion":
		fmt.Println(deeper(0))
	case "flood":
		for {
			fmt.Println(strings.Repeat("x", 1000))
		}
	case "early":
		os.Exit(0)
	case "closed":
		os.Stdout.Close()
		fmt.Println(42)
	case "line":
		var line string
		fmt.Fscan(in, &line)
		fmt.Println(len(line))
	case "bytes":
		os.Stdout.Write([]byte{0x34, 0xff, 0xfe, 0x32, 0x0a})
	case "past":
		var one, other int
		fmt.Fscan(in, &one)
		fmt.Fscan(in, &other)
		fmt.Println(one + other)
	}
}
