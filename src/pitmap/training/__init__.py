"""Training: from samples to the best epoch's model.

train                 the loop, which goes on where it was interrupted       loop
Training, Course      what is chosen before it starts                        choices
RECIPES, resolve      named sets of settings                                 recipes
LOSSES, WEIGHTINGS    tables of losses and of weights of classes             losses
SCHEDULES             table of courses of the learning rate                  schedule
"""
