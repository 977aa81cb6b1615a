package main

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// code is a line of the list: a text for one qualifier or for a range of them.
type code struct {
	asc, first, last uint8
	text             string
}

// parse reads the list. It refuses what could not have been meant: lines out of order,
// overlapping ranges, text that is not in lower case.
func parse(list []byte) ([]code, error) {
	var codes []code
	last := -1
	sc := bufio.NewScanner(bytes.NewReader(list))
	for n := 1; sc.Scan(); n++ {
		line := sc.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		c, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %v", n, err)
		}
		first := int(c.asc)<<8 | int(c.first)
		if first <= last {
			return nil, fmt.Errorf("line %d: not in ascending order", n)
		}
		last = int(c.asc)<<8 | int(c.last)
		codes = append(codes, c)
	}
	return codes, sc.Err()
}

func parseLine(line string) (c code, err error) {
	asc, rest, _ := strings.Cut(line, " ")
	ascq, text, _ := strings.Cut(rest, " ")
	first, last, isRange := strings.Cut(ascq, "-")
	if !isRange {
		last = first
	}
	for _, f := range []struct {
		to   *uint8
		from string
	}{{&c.asc, asc}, {&c.first, first}, {&c.last, last}} {
		v, err := strconv.ParseUint(f.from, 16, 8)
		if err != nil || len(f.from) != 2 {
			return c, fmt.Errorf("%q is not two hexadecimal digits", f.from)
		}
		*f.to = uint8(v)
	}
	if c.first > c.last || isRange && c.first == c.last {
		return c, fmt.Errorf("range %s", ascq)
	}
	for _, r := range text {
		if r < ' ' || r > '~' || r >= 'A' && r <= 'Z' {
			return c, fmt.Errorf("text %q has %q in it", text, r)
		}
	}
	if text == "" || strings.TrimSpace(text) != text || strings.Contains(text, "  ") {
		return c, fmt.Errorf("text %q", text)
	}
	c.text = text
	return c, nil
}
