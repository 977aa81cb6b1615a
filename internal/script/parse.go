package script

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// separator parts the input of a block from its output.
const separator = "----"

// block is one command of a file with what surrounds it.
type block struct {
	before string // comments and blank lines before the block, as they are
	head   string // command line and input lines, as they are
	line   int    // of the command, from 1
	name   string
	args   []arg
	input  string
	want   string
}

type arg struct {
	key, value string
	isPair     bool // key=value, not a word
	used       bool
}

// parse splits a file into its blocks; tail is what follows the last one.
func parse(text string) (blocks []*block, tail string, err error) {
	lines := strings.SplitAfter(text, "\n")
	if n := len(lines); lines[n-1] == "" {
		lines = lines[:n-1]
	}
	var before strings.Builder
	for i := 0; i < len(lines); {
		if l := strings.TrimSpace(lines[i]); l == "" || l[0] == '#' {
			before.WriteString(lines[i])
			i++
			continue
		}
		b := &block{before: before.String(), line: i + 1}
		before.Reset()
		if i, err = b.parse(lines, i); err != nil {
			return nil, "", fmt.Errorf("line %d: %w", b.line, err)
		}
		blocks = append(blocks, b)
	}
	return blocks, before.String(), nil
}

// parse reads the block that starts at lines[i] and returns the index behind it.
func (b *block) parse(lines []string, i int) (int, error) {
	if err := b.parseCommand(lines[i]); err != nil {
		return 0, err
	}
	start := i
	for i++; i < len(lines) && !isSeparator(lines[i]); i++ {
		b.input += lines[i]
	}
	if i == len(lines) {
		return 0, errors.New("no line of dashes ends the input")
	}
	b.head = strings.Join(lines[start:i], "")
	i++
	if i < len(lines) && isSeparator(lines[i]) {
		for i++; i < len(lines) && !isSeparator(lines[i]); i++ {
			b.want += lines[i]
		}
		if i+1 >= len(lines) || !isSeparator(lines[i+1]) {
			return 0, errors.New("no doubled line of dashes ends the output")
		}
		return i + 2, nil
	}
	for ; i < len(lines) && strings.TrimSpace(lines[i]) != ""; i++ {
		b.want += lines[i]
	}
	b.want = endLine(b.want)
	if hasSeparator(b.want) {
		return 0, errors.New("a line of dashes in the output: is the blank line before the next command missing?")
	}
	return i, nil
}

// parseCommand splits a command line into name and arguments.
func (b *block) parseCommand(line string) error {
	rest := strings.TrimSpace(line)
	for first := true; rest != ""; first = false {
		var w string
		if i := strings.IndexAny(rest, " \t"); i < 0 {
			w = rest
		} else {
			w = rest[:i]
		}
		key, _, pair := strings.Cut(w, "=")
		var value string
		if quote := len(key) + 1; pair && strings.HasPrefix(rest[quote:], `"`) {
			q, err := strconv.QuotedPrefix(rest[quote:])
			if err != nil {
				return fmt.Errorf("argument %s: %w", key, err)
			}
			if value, err = strconv.Unquote(q); err != nil {
				return fmt.Errorf("argument %s: %w", key, err)
			}
			w = rest[:quote+len(q)]
		} else if pair {
			value = w[quote:]
		}
		rest = strings.TrimLeft(rest[len(w):], " \t")
		switch {
		case first && pair:
			return errors.New("a command line starts with a name")
		case first:
			b.name = w
		default:
			b.args = append(b.args, arg{key: key, value: value, isPair: pair})
		}
	}
	return nil
}

// format is the inverse of parse, with got in place of the expected output.
func (b *block) format(got string) string {
	s := b.before + b.head + separator + "\n"
	if hasBlank(got) {
		return s + separator + "\n" + got + separator + "\n" + separator + "\n"
	}
	return s + got
}

func isSeparator(line string) bool { return strings.TrimRight(line, "\r\n") == separator }

func hasSeparator(s string) bool {
	for line := range strings.Lines(s) {
		if isSeparator(line) {
			return true
		}
	}
	return false
}

func hasBlank(s string) bool {
	for line := range strings.Lines(s) {
		if strings.TrimSpace(line) == "" {
			return true
		}
	}
	return false
}

// endLine gives a last line its newline.
func endLine(s string) string {
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return s
}
