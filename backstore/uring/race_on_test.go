//go:build race

package uring

// raceDetector: pools of package sync lose things at random.
const raceDetector = true
