package peers

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// verdict is what became of one test of libiscsi's suite.
type verdict int

const (
	passed verdict = iota
	failed
	skipped // the tool says so, or the test did nothing
	partial // passed, but a part of it was skipped
	hung    // no end within the time limit
	broken  // the tool itself did not get to run the test
	verdicts
)

// String returns the verdict as it stands in tables.
func (v verdict) String() string {
	return [...]string{"PASS", "FAIL", "SKIP", "PART", "HANG", "ERROR"}[v]
}

// cuLog is what iscsi-test-cu prints about one test with -V, taken apart.
type cuLog struct {
	body    []string // what the test itself logged
	asserts []string // assertions that failed, from the end of the test
	summary bool     // the table at the end is there
	suites  cuRow
	tests   cuRow
	checks  cuRow // assertions
	last    string
}

// cuRow is a row of the table at the end.
type cuRow struct{ ran, failed int }

var (
	cuStart  = regexp.MustCompile(`^\s*Test: \S+ \.\.\.(.*)`)
	cuEnd    = regexp.MustCompile(`^(passed|FAILED)`)
	cuTable  = regexp.MustCompile(`^\s*(suites|tests|asserts)\s+(\d+)\s+(\d+)\s+(?:\d+|n/a)\s+(\d+)`)
	cuAssert = regexp.MustCompile(`^\s+\d+\. (.*)`)
	cuStamp  = regexp.MustCompile(`^\d+-\d+-\d+ [\d:.]+\s+`)
)

// parseCULog reads the output of one run.
func parseCULog(out string) *cuLog {
	l := new(cuLog)
	var inside, after bool // of the test's own output, of the line that ends it
	for _, line := range strings.Split(out, "\n") {
		text := strings.Join(strings.Fields(cuStamp.ReplaceAllString(strings.TrimSpace(line), "")), " ")
		if text != "" {
			l.last = text
		}
		if row := cuTable.FindStringSubmatch(line); row != nil {
			l.addRow(row)
			continue
		}
		if m := cuStart.FindStringSubmatch(line); m != nil && !inside && !after {
			inside = true
			text = strings.TrimSpace(m[1])
		}
		if inside && cuEnd.MatchString(line) {
			inside, after = false, true
		}
		switch {
		case inside && text != "":
			l.body = append(l.body, text)
		case after:
			if m := cuAssert.FindStringSubmatch(line); m != nil {
				text, _, _ = strings.Cut(m[1], "    ")
				l.asserts = append(l.asserts, strings.Join(strings.Fields(text), " "))
			}
		}
	}
	return l
}

// addRow takes a row of the table: suites and assertions count in other columns than tests do.
func (l *cuLog) addRow(row []string) {
	number := func(s string) int {
		n, _ := strconv.Atoi(s) // the pattern has digits only
		return n
	}
	r := cuRow{ran: number(row[3]), failed: number(row[4])}
	switch row[1] {
	case "suites":
		l.suites = r
	case "tests":
		l.tests, l.summary = r, true
	case "asserts":
		l.checks = r
	}
}

// tolerant are tests that try several commands, one by one, or whose subject is that a command is
// absent: a command that the target lacks does not end them.
var tolerant = []string{
	"SCSI.WriteAtomic16.VPD", "SCSI.Unmap.VPD", "SCSI.*.UnmapVPD", "SCSI.NoMedia.NoMediaSBC",
	"SCSI.ReadOnly.ReadOnlySBC", "SCSI.ReadCapacity16.Support", "SCSI.Sanitize.Readonly",
}

// judge returns the verdict on a run that ended in time, with a reason unless it simply passed.
// The suite counts a skipped test as passed, and some skip without a word; hence the body is read.
func (l *cuLog) judge(name string) (verdict, string) {
	switch {
	case !l.summary:
		return broken, "no summary; last line: " + l.last
	case l.suites.failed > 0 || l.tests.ran == 0:
		return broken, "the suite did not start; last line: " + l.last
	case l.tests.failed > 0:
		return failed, strings.Join(l.failures(), " | ")
	}
	skip, part := l.skips()
	if skip != "" && slices.ContainsFunc(tolerant, func(p string) bool { ok, _ := path.Match(p, name); return ok }) &&
		!lacksUnit.MatchString(skip) {
		skip, part = "", skip
	}
	switch {
	case skip != "":
		return skipped, skip
	case len(l.body) <= 1 && l.checks.ran <= 1:
		return skipped, "returned without doing anything"
	case part != "":
		return partial, part
	}
	return passed, ""
}

// failures returns the first lines that say what failed, each once.
func (l *cuLog) failures() []string {
	const most = 3
	var found []string
	for _, line := range l.body {
		if strings.Contains(line, "[FAIL") && !slices.Contains(found, line) && len(found) < most {
			found = append(found, line)
		}
	}
	if len(l.asserts) > 0 {
		found = append(found, fmt.Sprintf("%s (%d assertions)", l.asserts[0], len(l.asserts)))
	}
	return found
}

var (
	cuSkip    = regexp.MustCompile(`\[SKIPP(ED|ING)\]|Skipping RTPG tests|SWP is not changeable`)
	cuPart    = regexp.MustCompile(`(?i)skipping (assert|max)|no (alignment|granularity) restr`)
	lacksUnit = regexp.MustCompile(`removable|write-protected|flag is not set`)
)

// skips returns the first line that says that the test was skipped, and the last that says so of
// a part of it.
func (l *cuLog) skips() (skip, part string) {
	for _, line := range l.body {
		switch {
		case cuPart.MatchString(line):
			part = line
		case cuSkip.MatchString(line) && skip == "":
			skip = strings.TrimSpace(strings.TrimPrefix(line, "[SKIPPED]"))
		}
	}
	return skip, part
}
