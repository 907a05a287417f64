// Names of rooms: which are allowed, and new ones that are hard to guess.

const WORDS = (
  "amber anchor aspen basil beacon birch bramble breeze canyon cedar cinder clover cobalt comet coral crane delta ember " +
  "falcon fern fjord garnet glacier harbor hazel heron indigo ivory jasper juniper kestrel lagoon lantern larch linen lotus " +
  "maple marble meadow nectar oasis olive onyx opal orchid otter pebble pepper pine plum quartz quill raven reed saffron " +
  "sage sparrow summit thistle tundra velvet willow"
).split(" ");

export const ROOM = /^[A-Za-z0-9_-]{1,64}$/;

/** Three words and a number: about 38 bits, too many to guess over the network. */
export function roomName() {
  const numbers = crypto.getRandomValues(new Uint32Array(4));
  const words = [...numbers.slice(0, 3)].map((number) => WORDS[number % WORDS.length]);
  return [...words, 1000 + (numbers[3] % 1_000_000)].join("-");
}
