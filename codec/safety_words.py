"""The 256 words of :mod:`codec.safety_code`, one for each value of a byte: short, common, easy to tell apart by ear."""

_TEXT = """
acorn album alley amber anchor angel ankle apple apron arrow attic autumn bacon badge bagel baker balcony ballet bamboo
banana banjo barn basil basket beach beaver bell bench berry bicycle bishop blanket blossom boat bottle bowl branch
brass bread breeze brick bridge broom bubble bucket butter button cabin cable cactus camel camera canal candle canoe
canyon carpet carrot castle cedar cello chain chalk cherry chess chimney cinema circus citrus clay cliff clock cloud
clover coach coat cobra coconut coffee comet copper coral cotton cradle crane crater cream cricket crown crystal curtain
daisy dance desert diamond dinner doctor dolphin donkey dragon drum eagle elbow ember engine falcon farmer feather fence
fiddle finger flame flute forest fossil fountain fox galaxy garden garlic ginger glove goose grape guitar hammer harbor
harvest hazel helmet heron hockey honey horse hotel island ivory jacket jaguar jewel jungle kettle kitchen kitten ladder
lagoon lantern lemon lentil letter library lily lizard lobster lotus magnet mango maple marble meadow melon mirror
mitten monkey moon morning mosaic mountain museum mushroom needle nickel oasis ocean olive onion opera orange orchid
otter oyster paddle palace panda paper parrot peach pebble pencil pepper piano pigeon pillow pilot pirate planet plum
pocket pond poppy potato pumpkin puzzle quartz queen rabbit radio rainbow raven ribbon river robin rocket rose saddle
salad salmon sandal school silver spider spoon squirrel statue summer sunset swan temple thunder tiger timber toast
tomato tractor trumpet tulip tunnel turtle umbrella valley vanilla velvet village violin volcano wagon walnut whale
whisper willow window winter wizard yellow zebra zipper
"""
WORDS = tuple(_TEXT.split())
