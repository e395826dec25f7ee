/** Two short notes: somebody wrote. Made by the browser itself, so there is no file to fetch. */

const NOTES = [[0, 660], [0.14, 880]]; // seconds from now, hertz

/** Plays them. Fails where the browser allows no sound: before the first click in a page, or for good. */
export async function playSound() {
  const audio = new AudioContext();
  await Promise.race([audio.resume(), new Promise((done) => setTimeout(done, 500))]); // it waits for a click
  if (audio.state !== "running") {
    audio.close();
    throw new Error(audio.state);
  }
  for (const [at, pitch] of NOTES) {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.12, audio.currentTime + at);
    volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + at + 0.25);
    tone.connect(volume).connect(audio.destination);
    tone.start(audio.currentTime + at);
    tone.stop(audio.currentTime + at + 0.3);
  }
  setTimeout(() => audio.close(), 1000);
}
