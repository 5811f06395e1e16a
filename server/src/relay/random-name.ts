// Readable names for tunnels whose owner asked for none.
import { randomInt } from 'node:crypto'

const ADJECTIVES =
  'amber bold brave bright brisk calm clever cosy crisp eager early fair fleet fresh gentle glad golden happy keen kind light lively lucky merry mild neat nimble noble olive quick quiet rapid ready silver sleek smart snug solid sunny sure swift tidy vivid warm wise witty young zesty'
const ANIMALS =
  'badger beaver bison crane dove eagle falcon ferret finch fox gecko hare hawk heron ibis jay koala lark lemur lynx marten mole moose newt otter owl panda pika plover puffin quail rabbit raven robin seal shrew sparrow stork swan swift tern toad vole walrus weasel wombat wren yak'
const adjectives = ADJECTIVES.split(' ')
const animals = ANIMALS.split(' ')

/** A label such as `brisk-otter-42`: some 200,000 of them. */
export function randomLabel(): string {
  const adjective = adjectives[randomInt(adjectives.length)] ?? ''
  const animal = animals[randomInt(animals.length)] ?? ''
  return `${adjective}-${animal}-${randomInt(10, 100)}`
}
