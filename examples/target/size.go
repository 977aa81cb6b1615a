package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// units are the units of sizes, the largest first.
var units = [...]struct {
	name string
	log2 uint
}{{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}}

// parseSize reads a number of bytes.
func parseSize(s string) (int64, error) {
	digits, log2 := s, uint(0)
	for _, u := range units {
		if d, ok := strings.CutSuffix(s, u.name); ok {
			digits, log2 = d, u.log2
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n == 0 || digits[0] == '+' || n > math.MaxInt64>>log2 {
		return 0, fmt.Errorf("size %q: a positive number of bytes, below 8 EiB, is allowed, with KiB, MiB, GiB or TiB or without a unit", s)
	}
	return int64(n << log2), nil
}

// formatSize is the inverse of parseSize, with the largest unit that is exact.
func formatSize(n int64) string {
	for _, u := range units {
		if n != 0 && n&(1<<u.log2-1) == 0 {
			return fmt.Sprintf("%d %s", n>>u.log2, u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
