package linuxtest

import (
	"fmt"
	"os"
	"strings"
)

// VMFlags are the flags that the kernel shows of the mapping at addr, none if there is no mapping.
func VMFlags(addr uintptr) ([]string, error) {
	b, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return nil, err
	}
	here := false
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		var from, to uint64
		if n, _ := fmt.Sscanf(fields[0], "%x-%x", &from, &to); n == 2 {
			here = from <= uint64(addr) && uint64(addr) < to
		} else if here && fields[0] == "VmFlags:" {
			return fields[1:], nil
		}
	}
	return nil, nil
}
